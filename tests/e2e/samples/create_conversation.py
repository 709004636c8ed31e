import requests

response = requests.post("http://127.0.0.1:9000/api/v1/conversations/create")
conversation_id = response.json()["conversation_id"]
print(f"Created conversation: {conversation_id}")

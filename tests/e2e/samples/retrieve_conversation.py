import requests

conversation_id = "conversation_20240330_123456"
response = requests.get(f"http://127.0.0.1:9000/api/v1/conversations/{conversation_id}")
data = response.json()

for message in data["messages"]:
    print(f"{message['role']}: {message['content']}")

import requests

response = requests.get("http://127.0.0.1:9000/api/v1/conversations")
conversations = response.json()["conversations"]

for conv in conversations:
    print(f"ID: {conv['session_id']}, Messages: {conv['message_count']}")

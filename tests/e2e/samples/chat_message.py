import requests

response = requests.post(
    "http://127.0.0.1:9000/api/v1/chat/message",
    headers={"X-API-Key": "your-key"},
    json={"text": "Write a Python function to calculate the Fibonacci sequence."},
)

print(response.json()["response"])

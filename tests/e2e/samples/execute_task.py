import requests

response = requests.post(
    "http://127.0.0.1:9000/api/v1/tasks/execute",
    json={
        "name": "Generate API documentation",
        "description": "Create OpenAPI documentation for all endpoints",
        "continuous": False,
        "time_limit": 30,
    },
)

print(f"Task execution started: {response.json()}")

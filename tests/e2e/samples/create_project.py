import requests

response = requests.post(
    "http://127.0.0.1:9000/api/v1/projects",
    json={
        "name": "Website Development",
        "description": "Create a responsive website with React and FastAPI backend",
    },
)

project_data = response.json()
print(f"Created project: {project_data}")

import requests

response = requests.get("http://127.0.0.1:9000/api/v1/context-files")
files = response.json()["files"]
for file in files:
    print(f"File: {file['path']}, Size: {file['size']}")

response = requests.post(
    "http://127.0.0.1:9000/api/v1/context-files/load",
    json={"file_path": "docs/api_reference.md"},
)
print(f"Context file loaded: {response.json()}")

import requests

try:
    response = requests.post(
        "http://127.0.0.1:9000/api/v1/chat/message",
        json={"invalid_param": "value"},
    )
    response.raise_for_status()
    data = response.json()
    print(data["response"])
except requests.exceptions.HTTPError as e:
    if response.status_code == 400:
        print(f"Bad request: {response.json().get('detail')}")
    elif response.status_code == 500:
        print(f"Server error: {response.json().get('detail')}")
    else:
        print(f"HTTP error: {e}")
except Exception as e:
    print(f"Error: {e}")

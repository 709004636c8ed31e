import requests

response = requests.get("http://127.0.0.1:9000/api/v1/token-usage")
usage = response.json()["usage"]
print(f"Main model usage: {usage['main_model']['total']} tokens")

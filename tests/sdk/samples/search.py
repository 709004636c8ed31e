import requests

ANON_KEY = "eyJhbGciOiJIUzI1NiIs..."  # See Mobile SDKs page for full key
API_KEY = "am_live_your_key"

response = requests.post(
    "http://127.0.0.1:9000/functions/v1/api-v1/search",
    headers={
        "Authorization": f"Bearer {ANON_KEY}",
        "X-AM-API-Key": API_KEY,
    },
    json={"query": "best CRM for startups", "max_results": 3},
)
data = response.json()
for cap in data["capabilities"]:
    print(f"{cap['name']}{cap['description']}")

curl -X POST http://127.0.0.1:9000/api/v1/chat/message \
  -H "Content-Type: application/json" \
  -d '{
    "text": "Explain the key components of the code you just generated",
    "conversation_id": "conversation_20240330_123456"
  }'

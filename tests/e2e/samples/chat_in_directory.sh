curl -X POST http://127.0.0.1:9000/api/v1/chat/message \
  -H "Content-Type: application/json" \
  -d '{
    "text": "Run checks in this repo",
    "session_id": "repo-session-1",
    "directory": "/absolute/path/to/repo"
  }'

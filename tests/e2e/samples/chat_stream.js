const socket = new WebSocket('ws://127.0.0.1:9000/api/v1/chat/stream');

socket.addEventListener('open', (event) => {
  socket.send(JSON.stringify({
    text: "Write a step-by-step guide to installing TensorFlow.",
    session_id: "stream-session-1",
    directory: "/absolute/path/to/repo"
  }));
});

socket.addEventListener('message', (event) => {
  const data = JSON.parse(event.data);

  if (data.event === 'start') {
    console.log('Response started');
  } else if (data.event === 'token') {
    process.stdout.write(data.data.token);
  } else if (data.event === 'complete') {
    console.log('\nResponse completed');
    console.log('Action results:', data.data.action_results);
  }
});

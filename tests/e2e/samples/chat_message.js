async function sendMessage(text) {
  const response = await fetch('http://127.0.0.1:9000/api/v1/chat/message', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'X-API-Key': 'your-key'
    },
    body: JSON.stringify({
      text: text
    })
  });

  const data = await response.json();
  return data.response;
}

sendMessage("Explain quantum computing in simple terms")
  .then(response => console.log(response))
  .catch(error => console.error('Error:', error));

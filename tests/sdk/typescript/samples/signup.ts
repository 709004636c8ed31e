const agent = await PenguinClient.signup({
  owner_email: 'dev@example.com',
  agent_name: 'MyBot',
});

// Auto-analysis from user's response text
await client.sendFeedback({
  tracking_token: ad.tracking_token,
  user_response: "That's exactly what I was looking for!",
  conversation_history: ['I need a tax tool', 'Here is CloudTax...'],
});

// Manual prediction
await client.sendFeedback({
  tracking_token: ad.tracking_token,
  reaction: 'positive',
});

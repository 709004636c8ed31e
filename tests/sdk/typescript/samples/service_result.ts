await client.logServiceResult({
  transaction_id: 'txn_abc123',
  success: true,
  metadata: { items_processed: 5 },
});

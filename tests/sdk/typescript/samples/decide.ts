const response = await client.decideFromContext({
  context: 'I need a tax accountant',
  max_results: 3,
  min_quality_score: 0.5,
});

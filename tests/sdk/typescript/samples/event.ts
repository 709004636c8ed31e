await client.trackEvent({
  event_id: 'evt_unique_id',
  occurred_at: new Date().toISOString(),
  agent_id: 'agt_your_id',
  unit_id: 'ad-unit-uuid',
  event_type: 'impression',
  tracking_token: 'trk_...',
});

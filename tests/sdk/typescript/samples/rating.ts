await client.rateBusiness({
  tracking_token: ad.tracking_token,
  ad_unit_id: ad._meta!.unit_id,
  rating: 4,
  context: 'Fast response, helpful information',
});

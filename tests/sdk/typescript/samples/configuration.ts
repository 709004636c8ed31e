const client = new PenguinClient({
  apiKey: 'am_test_...', // Required. Your API key.
  baseUrl: '...', // Optional. Override the API base URL.
  supabaseAnonKey: '...', // Optional. Override the Supabase anon key.
  timeoutMs: 10_000, // Optional. Request timeout (default: 10s).
  maxRetries: 2, // Optional. Retries for GET requests (default: 2).
  debug: false, // Optional. Enable debug logging (default: false).
});

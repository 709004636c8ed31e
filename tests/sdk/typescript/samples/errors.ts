import {
  PenguinClient,
  APIRequestError,
  NetworkError,
  TimeoutError,
  ValidationError,
} from 'penguin-sdk';

try {
  const response = await client.decideFromContext({ context: userMessage });
} catch (err) {
  if (err instanceof ValidationError) {
    // Invalid parameters — fix your request
    console.error('Bad request:', err.message);
  } else if (err instanceof TimeoutError) {
    // Server didn't respond in time
    console.error('Timeout after', err.timeoutMs, 'ms');
  } else if (err instanceof APIRequestError) {
    // Server returned an error status
    console.error('API error:', err.status, err.code, err.body);
  } else if (err instanceof NetworkError) {
    // Network failure after retries
    console.error('Network error:', err.message);
  }
}

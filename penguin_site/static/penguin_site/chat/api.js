// Requests to this server, and its errors as sentences that say what to do.

const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? '';

const ADVICE = {
  provider_error: 'Try again, or choose another model.',
  provider_rate_limited: 'Wait a little, then try again, or choose another model.',
  provider_timeout: 'Try again, or choose another model.',
  context_overflow: 'Begin a new conversation, or ask for less at once.',
  csrf_failed: 'Reload the page.',
  internal_error: 'Try again. If it stays so, ask whoever runs this server.',
  worker_lost: 'Try again.',
  loop: 'Say more precisely what is wanted.',
  queue_full: 'Wait for an answer, or stop one.',
  conversation_deleted: 'Begin a new one.',
  invalid_directory: 'Choose another folder.',
};
const SIGNED_OUT = 'You are signed out. Reload the page to sign in again.';

export class RequestFailed extends Error {
  constructor(message, { status = 0, code = '', body = {} } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.body = body;
  }
}

/** What an error of the server says, and what one can do. */
export function sentence(message, code = '', status = 0) {
  if (status === 401) return SIGNED_OUT;
  const text = /[.!?]$/.test(message) ? message : `${message}.`;
  return ADVICE[code] ? `${text} ${ADVICE[code]}` : text;
}

/** The JSON of an answer; throws RequestFailed with a sentence. */
export async function call(method, path, body) {
  const isForm = body instanceof FormData;
  const headers = { 'X-CSRFToken': token() };
  if (body && !isForm) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method, headers, body: isForm ? body : body && JSON.stringify(body) });
  } catch {
    throw new RequestFailed('The server cannot be reached. Try again when it is back.');
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const detail = answer.detail || `The server answered with the error ${response.status}.`;
  const wait = response.status === 429 && response.headers.get('Retry-After');
  const text = sentence(detail, answer.code, response.status) + (wait ? ` Try again in ${wait} s.` : '');
  throw new RequestFailed(text, { status: response.status, code: answer.code, body: answer });
}

export const get = (path) => call('GET', path);
let last = Promise.resolve();
/** One after another: what was asked for later is newer, and is shown later. */
export function getInTurn(path) {
  last = last.catch(() => {}).then(() => get(path));
  return last;
}
export const post = (path, body = {}) => call('POST', path, body);
export const ofConversation = (id, rest = '') => `/api/v1/conversations/${encodeURIComponent(id)}${rest}`;
export const pageData = (id, rest = '') => `/chat/data/conversations/${encodeURIComponent(id)}${rest}`;

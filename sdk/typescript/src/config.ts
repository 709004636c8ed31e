/** How a client is configured, and what follows from it. */

import type { WebSocketClass } from './websocket.js';

export const DEFAULT_BASE_URL = 'http://127.0.0.1:9000';
const ADS_PATH = '/functions/v1';
const SERVER_PATH = '/api/v1';

/** As much of `fetch` as is used. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string; signal?: AbortSignal; redirect?: 'error' },
) => Promise<{ status: number; headers: { get(name: string): string | null }; text(): Promise<string> }>;

export interface ClientConfig {
  /** `am_live_...` or `am_test_...` for ads; a key of the server (`pk_...`) for chat and tasks. */
  apiKey: string;
  /** The key for chat, projects and tasks, where it is another one. Default: `apiKey`. */
  chatApiKey?: string;
  /**
   * The server's address, with or without `/functions/v1` or `/api/v1`.
   * Default: the environment's `PENGUIN_BASE_URL`, else `http://127.0.0.1:9000`.
   */
  baseUrl?: string;
  /** The installation's public key, where its operator asks for one. */
  supabaseAnonKey?: string;
  /** The agent of the key (`agt_...`). Without it the server is asked once, before the first event is reported. */
  agentId?: string;
  /** For each attempt. Default 10,000. */
  timeoutMs?: number;
  /**
   * How long one request of `chat.send` waits before the answer is asked for anew: proxies, and Node's fetch, give up
   * after some minutes. Default 240,000.
   */
  waitMs?: number;
  /** Further attempts of GET requests and of `trackEvent`. Default 2. */
  maxRetries?: number;
  /** Writes a line for each attempt. No key and no body is in it. */
  debug?: boolean;
  /** Where debug lines go. Default: `console.debug`. */
  log?: (line: string) => void;
  /** Default: the global one. */
  fetch?: Fetch;
  /** Default: the global one; in Node 18 to 21, which have none, a small one of this package. */
  WebSocket?: WebSocketClass;
}

export interface Addresses {
  ads: string;
  server: string;
  socket: string;
}

/** Where the parts of the API are, from a base URL in any of its forms. */
export function addressesOf(baseUrl: string | undefined): Addresses {
  const root = (baseUrl ?? environmentsBaseUrl() ?? DEFAULT_BASE_URL)
    .trim()
    .replace(/\/+$/, '')
    .replace(/\/(functions\/v1(\/api-v1)?|api\/v1)$/, '');
  const page = (globalThis as { location?: { origin?: string } }).location?.origin ?? '';
  const absolute = /^https?:/i.test(root) ? root : `${page}${root}`;
  return { ads: root + ADS_PATH, server: root + SERVER_PATH, socket: absolute.replace(/^http/i, 'ws') + SERVER_PATH };
}

function environmentsBaseUrl(): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.PENGUIN_BASE_URL || undefined;
}

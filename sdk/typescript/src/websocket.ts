/** Which WebSocket is used, and how it shows the key. */

/** As much of a WebSocket as is used. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: { data: any }) => void) | null;
  onclose: ((event: { code?: number; reason?: string }) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketClass = new (url: string, protocols?: string[]) => WebSocketLike;

/** The configured class, else the platform's, else that of this package for Node without one of its own. */
export async function webSocketClass(configured: WebSocketClass | undefined): Promise<WebSocketClass> {
  const platforms = (globalThis as { WebSocket?: unknown }).WebSocket as WebSocketClass | undefined;
  // Loaded only where it is needed: bundles for browsers and React Native put an empty module in its place.
  return configured ?? platforms ?? (await import('./node-websocket.js')).NodeWebSocket;
}

/** Browsers cannot set headers, so everywhere the key is offered as a subprotocol; the server chooses the other one. */
export function subprotocols(key: string): string[] {
  if (!key) return ['penguin.v1'];
  const isToken = /^[\w!#$%&'*+.^`|~-]+$/.test(key);
  return ['penguin.v1', isToken ? `penguin.key.${key}` : `penguin.key64.${base64Url(key)}`];
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function base64Url(text: string): string {
  const bytes = encodeURIComponent(text).replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  let encoded = '';
  for (let place = 0; place < bytes.length; place += 3) {
    const [first, second, third] = [0, 1, 2].map((next) => bytes.charCodeAt(place + next));
    const group = (first! << 16) | ((second || 0) << 8) | (third || 0);
    const digits = [18, 12, 6, 0].map((shift) => ALPHABET[(group >> shift) & 63]);
    encoded += digits.slice(0, Math.min(bytes.length - place, 3) + 1).join('');
  }
  return encoded;
}

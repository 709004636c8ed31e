/** Names that this side gives, so that a repetition is known. */

/** 32 hexadecimal digits, by the platform's generator where there is one. */
export function newId(): string {
  const bytes = new Uint8Array(16);
  const source = (globalThis as { crypto?: { getRandomValues?(bytes: Uint8Array): unknown } }).crypto;
  if (source?.getRandomValues) source.getRandomValues(bytes);
  else bytes.forEach((_, place) => (bytes[place] = Math.floor(Math.random() * 256)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

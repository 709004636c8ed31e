/** The texts of a stream's parts: what of a piece is new, and how much there is of each, for coming back. */

import { countCodePoints } from './checks.js';

/** A piece that begins behind what is there: something was missed. */
export class Gap extends Error {}

interface Part {
  kind: string;
  text: string;
  length: number;
  isVoid: boolean;
}

/** Of what is asked for when coming back; only the newest parts can still be open. */
const MOST_OFFSETS = 200;

export class Texts {
  readonly #parts = new Map<string, Part>();

  /** What of the piece was not there yet; raises Gap. */
  take(kind: string, id: string, text: string, offset: number): { text: string; offset: number } | undefined {
    let part = this.#parts.get(id);
    if (!part) this.#parts.set(id, (part = { kind, text: '', length: 0, isVoid: false }));
    if (part.isVoid) return undefined;
    const known = part.length - offset;
    if (known < 0) throw new Gap(`${id} at ${offset}, where ${part.length} follows`);
    const fresh = known ? Array.from(text).slice(known).join('') : text;
    if (!fresh) return undefined;
    const at = part.length;
    // Of a tool's output only the length is of use.
    if (kind !== 'output') part.text += fresh;
    part.length += countCodePoints(fresh);
    return { text: fresh, offset: at };
  }

  /** The model is asked again: what it had said by then is void. */
  drop(id: string): void {
    this.#parts.set(id, { kind: '', text: '', length: 0, isVoid: true });
  }

  forget(id: string): void {
    this.#parts.delete(id);
  }

  lengthOf(id: string): number {
    return this.#parts.get(id)?.length ?? 0;
  }

  /** What is valid of this kind, in order. */
  all(kind: string): string {
    return [...this.#parts.values()].map((part) => (part.kind === kind ? part.text : '')).join('');
  }

  offsets(): Record<string, number> {
    const open = [...this.#parts].filter(([, part]) => !part.isVoid).slice(-MOST_OFFSETS);
    return Object.fromEntries(open.map(([id, part]) => [id, part.length]));
  }
}

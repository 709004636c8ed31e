/** Parameters are checked before anything is sent, by the limits that the server states. */

import { ValidationError } from './errors.js';

type Check = (value: unknown) => string | undefined;

export type Checks = Record<string, Check>;

export const text =
  (most: number, { blank = false } = {}): Check =>
  (value) => {
    if (typeof value !== 'string') return 'must be a text';
    if (!blank && !value.trim()) return 'must not be empty';
    return countCodePoints(value) > most ? `must have at most ${most} characters` : undefined;
  };

export const number =
  (least: number, most: number): Check =>
  (value) =>
    typeof value !== 'number' || !(value >= least && value <= most) ? `must be a number from ${least} to ${most}` : undefined;

export const integer =
  (least: number, most: number): Check =>
  (value) =>
    !Number.isInteger(value) || (value as number) < least || (value as number) > most
      ? `must be a whole number from ${least} to ${most}`
      : undefined;

export const oneOf =
  (values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string) ? undefined : `must be one of ${values.join(', ')}`;

export const texts =
  (most: number, longest = 200): Check =>
  (value) => {
    if (!Array.isArray(value)) return 'must be a list of texts';
    if (value.length > most) return `must have at most ${most} entries`;
    const wrong = value.map(text(longest)).find(Boolean);
    return wrong && `has an entry that ${wrong}`;
  };

export const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');

export const anObject: Check = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'must be an object';

/** Raises ValidationError for the first thing that is wrong. `null` counts as not given. */
export function check(options: Record<string, unknown>, checks: Checks, required: readonly string[] = []): void {
  for (const name of required) {
    if (options[name] === undefined || options[name] === null) throw new ValidationError(`${name} is required.`, name);
  }
  for (const [name, value] of Object.entries(options)) {
    const wrong = value === null ? undefined : checks[name]?.(value);
    if (wrong) throw new ValidationError(`${name} ${wrong}.`, name);
  }
}

/** Characters as the server counts them. */
export function countCodePoints(value: string): number {
  let count = 0;
  for (const _ of value) count += 1;
  return count;
}

/** Options may be written in snake case, as on the wire, or in camel case. Only an option's own name is translated. */

import { ValidationError } from './errors.js';

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;

export type CamelCased<T> = { [K in keyof T as K extends string ? Camel<K> : K]: T[K] };

/** The options `T`, in either spelling. */
export type EitherCase<T> = T | CamelCased<T>;

/** The options as the server reads them; what is undefined is left out. */
export function toWire(options: object): Record<string, unknown> {
  const wire: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (name in wire) throw new ValidationError(`${name} is given twice, in two spellings.`, name);
    wire[name] = value;
  }
  return wire;
}

// The SDK's limits against those of the served document: what is just within one is taken, what is just beyond is not.
import { readFileSync } from 'node:fs';

const tables = await import(process.argv[2]);
const { schemas } = JSON.parse(readFileSync(process.argv[3], 'utf8')).components;
const names = {
  DECIDE: 'DecideInputRequest',
  EVENT: 'EventInputRequest',
  FEEDBACK: 'FeedbackInputRequest',
  SERVICE_RESULT: 'ServiceResultInputRequest',
  RATING: 'RatingInputRequest',
  SIGNUP: 'SignUpInputRequest',
  SEARCH: 'SearchInputRequest',
  SESSION_START: 'StartInputRequest',
  SESSION_MESSAGE: 'MessageInputRequest',
  SESSION_END: 'EndInputRequest',
};
// Of addresses the form counts, too.
const sample = (length, format) => (format === 'email' ? `${'a'.repeat(length - 6)}@b.com` : 'x'.repeat(length));
const wrong = [];
let checked = 0;

for (const [table, schema] of Object.entries(names)) {
  for (const [name, property] of Object.entries(schemas[schema].properties)) {
    const check = tables[table][name];
    const expect = (value, isValid) => {
      checked += 1;
      if (!check) wrong.push(`${table}.${name} is not checked`);
      else if ((check(value) === undefined) !== isValid) wrong.push(`${table}.${name}: ${isValid ? 'takes not' : 'takes'} ${JSON.stringify(value).slice(0, 60)}`);
    };
    const { maxLength, minimum, maximum, maxItems, items, format } = property;
    if (maxLength && format !== 'date-time' && check) expect(sample(maxLength, format), true), expect(sample(maxLength + 1, format), false);
    if (minimum !== undefined) expect(minimum, true), expect(minimum - 1, false);
    if (maximum !== undefined) expect(maximum, true), expect(maximum + 1, false);
    if (maxItems) expect(Array(maxItems).fill('x'), true), expect(Array(maxItems + 1).fill('x'), false);
    if (items?.maxLength) expect(['x'.repeat(items.maxLength)], true), expect(['x'.repeat(items.maxLength + 1)], false);
  }
}
console.log(JSON.stringify({ checked, wrong }));

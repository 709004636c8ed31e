// Uses the SDK as it is told: a JSON line in is a call, a JSON line out is what came of it. See sdk_driver.py.
import { createInterface } from 'node:readline';

const { PenguinClient } = await import(process.argv[2]);
const clients = new Map();
const streams = new Map();
const lines = [];

const tell = (id, answer) => process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);

const errorOf = (error) => ({
  name: error.name,
  message: error.message,
  isError: error instanceof Error,
  ...Object.fromEntries(Object.entries(error).filter(([key]) => key !== 'name')),
  ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
});

const commands = {
  client({ name, config }) {
    clients.set(name, new PenguinClient({ ...config, log: (line) => lines.push(line) }));
    return true;
  },
  signup: ({ options, config }) => PenguinClient.signup(options, config),
  log: () => lines.splice(0),
  inspect: async ({ client }) => (await import('node:util')).inspect(clients.get(client), { depth: 9, showHidden: true }),
  call({ client, path, args }) {
    const names = path.split('.');
    const method = names.pop();
    const owner = names.reduce((object, name) => object[name], clients.get(client));
    return owner[method](...args.map(revived));
  },
  stream({ client, part, key, args }) {
    const stream = clients.get(client)[part].stream(...args.map(revived));
    const kept = { stream, events: [], error: null, isOver: false };
    streams.set(key, kept);
    void (async () => {
      try {
        for await (const event of stream) kept.events.push(event);
      } catch (error) {
        kept.error = errorOf(error);
      }
      kept.isOver = true;
    })();
    return true;
  },
  look: ({ key, from }) => {
    const { stream, events, error, isOver } = streams.get(key);
    return { events: events.slice(from), text: stream.text, runId: stream.runId, sessionId: stream.sessionId, error, isOver };
  },
  act: ({ key, method, args }) => streams.get(key).stream[method](...args),
};

/** `{ abortAfterMs }` stands for a signal. */
function revived(value) {
  if (!value || typeof value !== 'object' || !('abortAfterMs' in value)) return value;
  const { abortAfterMs, ...others } = value;
  const controller = new AbortController();
  setTimeout(() => controller.abort(), abortAfterMs);
  return { ...others, signal: controller.signal };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...given } = JSON.parse(line);
  // Not awaited: calls may overlap.
  Promise.resolve()
    .then(() => commands[command](given))
    .then(
      (value) => tell(id, { value: value ?? null }),
      (error) => tell(id, { error: errorOf(error) }),
    );
}
process.exit(0);

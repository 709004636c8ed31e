// Prints what the ES modules weigh gzipped, all of them together as they are published; fails above the limit.
import { readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT = 15 * 1024;
const folder = new URL('../dist/esm/', import.meta.url);
const modules = readdirSync(folder).filter((name) => name.endsWith('.js'));
const bytes = gzipSync(Buffer.concat(modules.map((name) => readFileSync(new URL(name, folder))))).length;

console.log(`${modules.length} modules, ${bytes} bytes gzipped of ${LIMIT}`);
process.exit(bytes > LIMIT ? 1 : 0);

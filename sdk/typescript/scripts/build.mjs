// Builds both forms of the package, ES modules and CommonJS, and the types. Comments stay in the types alone.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = new URL('..', import.meta.url);
const at = (path) => fileURLToPath(new URL(path, root));

rmSync(at('dist'), { recursive: true, force: true });
const { config } = ts.readConfigFile(at('tsconfig.json'), ts.sys.readFile);
const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, at('.'));
const program = ts.createProgram(fileNames, { ...options, emitDeclarationOnly: true });
const problems = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
if (problems.length) {
  const host = { getCanonicalFileName: String, getCurrentDirectory: () => at('.'), getNewLine: () => '\n' };
  console.error(ts.formatDiagnostics(problems, host));
  process.exit(1);
}

// What a module imports is in the text itself (`isolatedModules`), so each can be written alone.
for (const [folder, type, module] of [
  ['esm', 'module', ts.ModuleKind.ES2022],
  ['cjs', 'commonjs', ts.ModuleKind.CommonJS],
]) {
  mkdirSync(at(`dist/${folder}`), { recursive: true });
  for (const name of readdirSync(at('src'))) {
    const compilerOptions = { ...options, module, moduleResolution: undefined, declaration: false, removeComments: true };
    const { outputText } = ts.transpileModule(readFileSync(at(`src/${name}`), 'utf8'), { compilerOptions, fileName: name });
    writeFileSync(at(`dist/${folder}/${name.replace(/\.ts$/, '.js')}`), outputText);
  }
  writeFileSync(at(`dist/${folder}/package.json`), `${JSON.stringify({ type })}\n`);
}
for (const name of readdirSync(at('dist/esm')).filter((each) => each.endsWith('.d.ts'))) {
  cpSync(at(`dist/esm/${name}`), at(`dist/cjs/${name}`));
}

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const app = join(root, 'client/expo');
const fromApp = createRequire(join(app, 'package.json'));

/** Files of JavaScript as Metro gives them. */
export interface Bundles {
  /** The client without React Native, minified. */
  core: string;
  /** React Native's own globals. */
  environment: string;
  /** The example app, with React Native and Expo. */
  example: string;
}

/** Bundles everything into a folder, in a process of its own: Metro keeps workers and caches. */
export async function build(folder: string): Promise<Bundles> {
  const entries = {
    'core.min': join(import.meta.dirname, 'core.ts'),
    environment: join(dirname(fromApp.resolve('react-native/package.json')), 'Libraries/Core/InitializeCore.js'),
    example: join(app, 'index.ts'),
  };
  const words = Object.entries(entries).map(([name, entry]) => `${name}=${entry}`);
  await run(process.execPath, [join(import.meta.dirname, 'bundle.mjs'), folder, ...words], { cwd: root });
  const file = (name: keyof typeof entries): string => join(folder, `${name}.js`);
  return {
    core: file('core.min'),
    environment: file('environment'),
    example: file('example'),
  };
}

const compilers: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'linux64-bin/hermesc',
  darwin: 'osx-bin/hermesc',
  win32: 'win64-bin/hermesc.exe',
};

/** Hermes' compiler; undefined where there is none. */
export function compiler(): string | undefined {
  const name = compilers[process.platform];
  if (name === undefined || (process.platform === 'linux' && process.arch !== 'x64')) return undefined;
  const file = join(dirname(fromApp.resolve('hermes-compiler/package.json')), 'hermesc', name);
  return existsSync(file) ? file : undefined;
}

/** Compiles a bundle to bytecode, and gives the file. `-O` is a release build, `-O0` quick. @throws what the compiler says */
export async function compile(hermesc: string, bundle: string, level: '-O' | '-O0'): Promise<string> {
  const out = bundle.replace(/\.js$/, '.hbc');
  await run(hermesc, ['-w', level, '-emit-binary', '-out', out, bundle]);
  return out;
}

import { fileURLToPath } from 'node:url';
import { ensureInstalled, fail } from './install.mjs';
import { launch } from './launch.mjs';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
ensureInstalled('serve')
  .then((node) => launch(node, [main, ...process.argv.slice(2)], { ownGroup: true }))
  .then((code) => process.exit(code), fail);

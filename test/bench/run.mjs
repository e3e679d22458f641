import { fileURLToPath } from 'node:url';
import { ensureInstalled, fail } from '../../server/boot/install.mjs';
import { launch } from '../../server/boot/launch.mjs';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
ensureInstalled('all')
  .then((node) => launch(node, [main, ...process.argv.slice(2)], { ownGroup: false }))
  .then((code) => process.exit(code), fail);

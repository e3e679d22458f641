import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled, fail } from './install.mjs';
import { launch } from './launch.mjs';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

async function start() {
  const node = await ensureInstalled('serve');
  await ensureBuilt(node);
  return await launch(node, [main, ...process.argv.slice(2)], { ownGroup: true });
}

start().then((code) => process.exit(code), fail);

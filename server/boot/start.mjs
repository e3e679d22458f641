import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled, fail } from './install.mjs';
import { launch } from './launch.mjs';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

/** The server starts its database while the console is built, and listens when both are there. */
async function start() {
  const node = await ensureInstalled('serve');
  const ended = new AbortController();
  const built = ensureBuilt(node, ended.signal);
  const code = await launch(node, [main, '--console-follows', ...process.argv.slice(2)], {
    ownGroup: true,
    // Told that it will not come by the channel's end.
    onStart: (child) => {
      built.then(
        () => child.send('built', () => {}),
        () => child.connected && child.disconnect(),
      );
    },
  });
  // Nobody is left to serve what is still being built.
  ended.abort();
  await built.catch((error) => {
    if (error !== ended.signal.reason) throw error;
  });
  return code;
}

start().then((code) => process.exit(code), fail);

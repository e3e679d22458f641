import { spawn } from 'node:child_process';
import path from 'node:path';
import { ensureInstalled, fail, root } from '../server/boot/install.mjs';
import { launch } from '../server/boot/launch.mjs';

/** One check with its output kept together, since several run at once. Resolves to whether it passed. */
function check(name, node, args) {
  const child = spawn(node, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      console.log(code === 0 ? `${name}: ok` : `${name}: failed\n${output}`);
      resolve(code === 0);
    });
  });
}

async function run(words) {
  const node = await ensureInstalled('all');
  process.chdir(root);
  const tool = (...parts) => path.join(root, ...parts);
  // Words after `npm test --` choose among the test files, so only those run.
  const checks =
    words.length > 0
      ? []
      : await Promise.all([
          check('typecheck', node, [tool('node_modules', 'typescript', 'bin', 'tsc'), '--noEmit']),
          check('typecheck of the phone app', node, [
            tool('node_modules', 'typescript', 'bin', 'tsc'),
            '-p',
            tool('client', 'expo'),
          ]),
          check('lint', node, [tool('node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check', '.']),
          // Browser tests find it built, however many begin at once. Chosen alone, they build what they need.
          check('build of the console', node, [tool('server', 'boot', 'build.mjs')]),
        ]);
  const vitest = tool('test', 'node_modules', 'vitest', 'vitest.mjs');
  const config = tool('test', 'vitest.config.ts');
  const code = await launch(node, [vitest, 'run', '--config', config, ...words], { ownGroup: false });
  if (checks.every(Boolean)) return code;
  console.log('npm test: typecheck, lint or build failed, see above');
  return 1;
}

run(process.argv.slice(2)).then((code) => process.exit(code), fail);

import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { ensureInstalled, fail, root } from '../server/boot/install.mjs';
import { launch } from '../server/boot/launch.mjs';

/** One check with its output kept together, since several run at once. Resolves to whether it passed. */
function check(name, node, args, priority) {
  const child = spawn(node, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid !== undefined) os.setPriority(child.pid, priority);
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
  const vitest = tool('test', 'node_modules', 'vitest', 'vitest.mjs');
  const config = tool('test', 'vitest.config.ts');
  const test = () => launch(node, [vitest, 'run', '--config', config, ...words], { ownGroup: false });
  // Words after `npm test --` choose among the test files, so only those run.
  if (words.length > 0) return await test();
  const { PRIORITY_NORMAL, PRIORITY_LOW } = os.constants.priority;
  // Browser tests find it built, however many begin at once. Chosen alone, they build what they need.
  const isBuilt = await check('build of the console', node, [tool('server', 'boot', 'build.mjs')], PRIORITY_NORMAL);
  const tsc = tool('node_modules', 'typescript', 'bin', 'tsc');
  const biome = tool('node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const [code, ...passed] = await Promise.all([
    test(),
    // In the time that the tests leave, which wait for one another's processes now and then.
    check('typecheck', node, [tsc, '--noEmit'], PRIORITY_LOW),
    check('typecheck of the phone app', node, [tsc, '-p', tool('client', 'expo')], PRIORITY_LOW),
    check('lint', node, [biome, 'check', '.'], PRIORITY_LOW),
  ]);
  if (isBuilt && passed.every(Boolean)) return code;
  console.log('npm test: typecheck, lint or build failed, see above');
  return 1;
}

run(process.argv.slice(2)).then((code) => process.exit(code), fail);

import { spawnBound } from '@parley/db/embedded-child';
import { onParentGone } from '@parley/server/boot/parent';

// A program for tests that kill the parent of a bound child. It prints the child's process id, then stays.
onParentGone(() => process.exit(1));
const watchdog = process.argv[2] === 'watchdog';
const child = spawnBound('sleep', ['600'], { signal: 'SIGINT', cwd: '/', env: process.env, watchdog });
console.log(child.pid);

import { startEmbedded } from '@parley/db/embedded';
import { onParentGone } from '@parley/server/boot/parent';

// A program for tests that kill the process which holds an embedded PostgreSQL. It prints one line of JSON, then stays.
onParentGone(() => process.exit(1));
const [dataDir = ''] = process.argv.slice(2);
try {
  const { connection, pid } = await startEmbedded({ dataDir });
  console.log(JSON.stringify({ connection, pid }));
} catch (error) {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  console.log(JSON.stringify({ name, message }));
  process.exitCode = 1;
}

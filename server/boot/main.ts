import { DataFolderInUse, EmbeddedUnavailable } from '@parley/db/embedded-failure';
import { failureReason } from '@parley/db/failure';
import { decide } from './config.ts';
import { BadEnvironment, readEnvironment } from './env.ts';
import { createLogger } from './log.ts';
import { output } from './output.ts';
import { consoleBuilt, onParentGone } from './parent.ts';
import { serve } from './serve.ts';

/** Says in one line what is wrong and ends. */
function refuse(message: string): never {
  process.stderr.write(`parley: ${message}\n`);
  process.exit(1);
}

/** Whether the database is somebody else's, once that has been read. */
let isGiven = false;

function explainFailure(error: unknown): string {
  if (error instanceof BadEnvironment || error instanceof DataFolderInUse || error instanceof EmbeddedUnavailable)
    return error.message;
  // A start waits for no other connection.
  const failures = failedConnections(error);
  if (failures !== '') return `cannot start: DATABASE_URL cannot be reached: ${failures}`;
  if (error instanceof Error && isGiven && failureReason(error) !== undefined)
    return `cannot start: DATABASE_URL: ${error.message.split('\n')[0]}`;
  if (error instanceof Error && 'code' in error && 'port' in error) {
    if (error.code === 'EADDRINUSE') return `port ${String(error.port)} is in use; set PORT to another one`;
    if (error.code === 'EACCES')
      return `port ${String(error.port)} may not be used by this user; set PORT to another one`;
  }
  if (error instanceof Error) return `cannot start: ${error.message.split('\n')[0] || error.name}`;
  return 'cannot start';
}

/** What became of attempts to connect. Those to the addresses of one name fail with one error that has no words of its own. */
function failedConnections(error: unknown): string {
  const attempts: unknown[] = error instanceof AggregateError ? error.errors : [error];
  return attempts
    .filter((each) => each instanceof Error)
    .filter((each) => 'syscall' in each && (each.syscall === 'connect' || each.syscall === 'getaddrinfo'))
    .map((each) => each.message)
    .join(', ');
}

// PostgreSQL ends with this process, also in the middle of its start.
let leave = (): void => process.exit(1);
// Whoever launched this was killed: the folder and the port are to be free for the next one at once.
onParentGone(() => leave());

try {
  const config = decide(readEnvironment(), process.stdout.isTTY);
  isGiven = config.database.mode !== 'embedded';
  const logger = createLogger({ level: config.logLevel });
  const server = await serve(config, logger, consoleBuilt());
  output.write(`parley listening on ${server.url}\n`);
  if (config.database.mode === 'embedded') {
    output.write('  talk to it:  open it in a browser, or run npm run parley -- chat in another terminal\n');
    output.write(`  data are in: ${config.dataDir}\n`);
  }
  let stopping = false;
  const stop = async (end: () => Promise<void>): Promise<void> => {
    // The second signal does not wait.
    if (stopping) process.exit(1);
    stopping = true;
    try {
      await end();
      await output.flush();
      process.exit(0);
    } catch (error) {
      refuse(explainFailure(error));
    }
  };
  void server.failed.then((error) => refuse(explainFailure(error)));
  process.on('SIGTERM', () => void stop(server.stop));
  process.on('SIGINT', () => void stop(server.stop));
  leave = () => void stop(server.close);
} catch (error) {
  refuse(explainFailure(error));
}

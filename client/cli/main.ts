import { TRPCClientError } from '@trpc/client';
import { failureOf, ParleyFailure } from '../failure.ts';
import { chat } from './chat.ts';
import { type Command, CommandFailure, helpOf, UsageError } from './command.ts';
import { exportCommand } from './export.ts';
import { list } from './list.ts';
import { listen } from './listen.ts';
import { load } from './load.ts';
import { redact } from './redact.ts';
import { replay } from './replay.ts';
import { say } from './say.ts';
import { tokenCommand } from './token-command.ts';
import { upload } from './upload.ts';
import { watch } from './watch.ts';

const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['chat', chat],
  ['say', say],
  ['listen', listen],
  ['watch', watch],
  ['list', list],
  ['export', exportCommand],
  ['replay', replay],
  ['load', load],
  ['upload', upload],
  ['token', tokenCommand],
]);

function overview(): string {
  const lines = [...commands].map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`);
  return `usage: npm run parley -- <command> [options]\n\n${lines.join('\n')}\n\n<command> --help says more.\nexit codes: 0 done; 1 failed; 2 the words make no sense\n`;
}

async function run([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const text = overview();
    if (name === undefined) process.stderr.write(text);
    else process.stdout.write(text);
    return name === undefined ? 2 : 0;
  }
  const command = commands.get(name);
  if (!command) {
    process.stderr.write(`parley: unknown command '${clean(name)}'\n\n${overview()}`);
    return 2;
  }
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${helpOf(command)}\n`);
    return 0;
  }
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`parley: ${clean(error.message)}\n\n${helpOf(command)}\n`);
      return 2;
    }
    process.stderr.write(`parley: ${clean(explain(error))}\n`);
    return 1;
  }
}

/** Without what must not be seen, whatever the message quotes. */
function clean(text: string): string {
  return redact(text, [process.env.PARLEY_TOKEN, process.env.AUTH_JWT_SECRET]);
}

function explain(error: unknown): string {
  if (error instanceof CommandFailure) return error.message;
  if (error instanceof ParleyFailure || error instanceof TRPCClientError) {
    const { message, reason, traceId } = failureOf(error);
    return `${message} (${reason}${traceId === undefined ? '' : `, trace ${traceId}`})`;
  }
  return error instanceof Error ? (error.message.split('\n')[0] ?? error.name) : 'failed';
}

// Whoever reads our output may have had enough: `… | head`.
process.stdout.on('error', (error) => process.exit('code' in error && error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await run(process.argv.slice(2));
// What is still open, such as a connection that does not answer, keeps nothing waiting.
process.stdout.write('', () => process.exit());

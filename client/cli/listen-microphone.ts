import { spawn } from 'node:child_process';
import { CommandFailure } from './command.ts';
import { isOnPath } from './on-path.ts';

/** Samples per second that are asked of a microphone: what speech recognition works with. */
export const microphoneRate = 16_000;

const rate = String(microphoneRate);
const plain = ['-t', 'raw', '-b', '16', '-e', 'signed-integer', '-c', '1', '-r', rate, '-'];
const toRaw = ['-ac', '1', '-ar', rate, '-f', 's16le', '-'];

/** Programs that write what a microphone hears to their output as bare samples, the first that is there. */
const programs: readonly (readonly [string, ...string[]])[] = [
  ['arecord', '-q', '-t', 'raw', '-f', 'S16_LE', '-c', '1', '-r', rate],
  ['parecord', '--raw', '--format=s16le', '--channels=1', `--rate=${rate}`],
  ['rec', '-q', ...plain],
  ['sox', '-q', '-d', ...plain],
  ['ffmpeg', '-loglevel', 'error', '-nostdin', ...deviceOf(process.platform), ...toRaw],
];

function deviceOf(platform: NodeJS.Platform): string[] {
  return platform === 'darwin' ? ['-f', 'avfoundation', '-i', ':0'] : ['-f', 'alsa', '-i', 'default'];
}

const instead = 'or pipe sound in: … | npm run -s parley -- listen';

/** A program that records, at work; its bytes end when it is stopped. @throws CommandFailure when there is none */
export function openMicrophone(): { name: string; bytes: AsyncIterable<Uint8Array>; stop(): void } {
  const [name, ...options] = programs.find(([program]) => isOnPath(program)) ?? [];
  if (name === undefined)
    throw new CommandFailure(`no program here records sound: install arecord (alsa-utils), sox or ffmpeg, ${instead}`);
  const child = spawn(name, options, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-1_000);
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(-1));
    child.once('close', resolve);
  });
  async function* bytes(): AsyncGenerator<Uint8Array, void, void> {
    let isEmpty = true;
    try {
      for await (const data of child.stdout) {
        isEmpty = false;
        yield data;
      }
    } finally {
      child.kill();
    }
    const code = await ended;
    if (!isEmpty || code === 0 || child.killed) return;
    const why = said.trim().split('\n').at(-1) ?? '';
    throw new CommandFailure(`${name} does not record${why === '' ? '' : ` (${why})`}: ${instead}`);
  }
  return { name, bytes: bytes(), stop: () => void child.kill() };
}

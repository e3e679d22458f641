import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Endpointer, frameMs } from '@parley/client/cli/listen-endpoint';
import { readSound } from '@parley/client/cli/listen-stream';
import { wavOf } from '@parley/client/cli/wav';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { type Cli, cli, result, terminal } from '../support/cli.ts';
import { clip } from '../support/clip.ts';
import { collect, parleyOf } from '../support/parley.ts';
import { answer, gate } from '../support/provider.ts';
import { type SpeechProvider, startSpeechProvider } from '../support/speech-provider.ts';

// Voice activity is told by a model, and sound takes its time.
vi.setConfig({ testTimeout: 120_000 });

const hasTerminal = spawnSync('script', ['--version']).status === 0;
const rate = 16_000;
const conversationIn = /in conversation ([0-9a-f-]{36})/;

let app: App;
let speech: SpeechProvider;
let env: Record<string, string>;
let folder: string;
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-listen-'));
  speech = await startSpeechProvider();
  app = await startApp({ env: { STT_BASE_URL: speech.url, TTS_BASE_URL: speech.url } });
  env = { PARLEY_URL: app.url, PARLEY_TOKEN: await app.token('ann') };
});
afterAll(async () => {
  await app?.stop();
  await speech?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Somebody says a sentence, as bytes of samples. */
const sentence = sentenceOf(clip('format.wav'));

function sentenceOf(file: Uint8Array): Uint8Array {
  const bytes = Buffer.from(file);
  expect(bytes.readUInt32LE(24)).toBe(rate);
  return bytes.subarray(bytes.indexOf('data') + 8);
}

/** Nobody speaks, in a room that is not quite quiet. */
function room(seconds: number): Uint8Array {
  const samples = Int16Array.from({ length: seconds * rate }, (_, index) => Math.round(40 * Math.sin(index * index)));
  return new Uint8Array(samples.buffer);
}

function sound(...pieces: Uint8Array[]): Buffer {
  return Buffer.concat(pieces);
}

/** Where speech begins and ends in it, in milliseconds. */
function endpoints(bytes: Uint8Array, pauseMs: number): number[] {
  const samples = new Int16Array(new Uint8Array(bytes).buffer);
  const endpointer = new Endpointer(pauseMs);
  const size = (rate * frameMs) / 1000;
  const places = Array.from({ length: Math.ceil(samples.length / size) }, (_, index) => index);
  return places.filter((at) => endpointer.push(samples.subarray(at * size, (at + 1) * size))).map((at) => at * frameMs);
}

const channels = 8;

/** The same sound on eight channels: so many bytes a second that what waits in a pipe is little time. */
function wide(bytes: Uint8Array): Uint8Array {
  const samples = new Int16Array(new Uint8Array(bytes).buffer);
  return new Uint8Array(
    Int16Array.from({ length: samples.length * channels }, (_, i) => samples[Math.floor(i / channels)] ?? 0).buffer,
  );
}

/** Runs it with this on its standard input, in pieces as a recorder gives them. */
function hearing(input: Uint8Array, args: string[] = []): Cli {
  const run = cli(['listen', ...args], { env });
  run.child.stdin.end(input);
  return run;
}

test('what is said between pauses becomes turns, in segments, with spoken answers', async () => {
  app.provider.script(answer('I heard ', 'the first.'), answer('And the second.'));
  const out = path.join(folder, 'answers.wav');
  const both = sound(room(0.5), sentence, room(1.2), sentence, room(1.2));
  const run = await result(hearing(wavOf([both], rate), ['--fast', '--out', out]));
  expect(run.code, run.stderr).toBe(0);
  // A sentence takes more than one segment, each of which is understood by itself.
  expect(run.stdout).toMatch(
    /^you {4}You said it\.( You said it\.)+\nagent {2}I heard the first\.\nyou {4}You said it\..*\nagent {2}And the second\.\n$/,
  );
  expect(run.stderr).toMatch(/answers\.wav: \d\.\d s of speech\n$/);
  expect(fs.statSync(out).size).toBeGreaterThan(20_000);
  const [, id = ''] = conversationIn.exec(run.stderr) ?? [];
  const { items } = await (await parleyOf(app, 'ann')).trpc.conversations.messages.query({ conversationId: id });
  expect(items.map(({ role, kind }) => `${role} ${kind}`)).toEqual([
    'human audio',
    'agent text',
    'human audio',
    'agent text',
  ]);
  const [first] = items;
  expect(first?.segmentIds?.length).toBeGreaterThan(1);
  // From a little before the moment at which speech was recognised, for its first word, to the end of the pause.
  const [begins = 0, ends = 0] = endpoints(both, 800);
  expect(first?.durationMs).toBeGreaterThanOrEqual(ends - begins + 280);
  expect(first?.durationMs).toBeLessThanOrEqual(ends - begins + 340);
});

test('watch tells the same as JSON, an event a line, sound in base64', async () => {
  app.provider.script(answer('Heard and said.'));
  const run = await result(hearing(sound(sentence, room(1)), ['--fast']));
  const [, id = ''] = conversationIn.exec(run.stderr) ?? [];
  const { trpc } = await parleyOf(app, 'ann');
  const [first] = (await trpc.conversations.export.query({ conversationId: id })).events;
  const watching = cli(['watch', id, '--json', '--from', first?.id ?? ''], { env });
  await watching.shows('turn.completed');
  watching.child.kill('SIGINT');
  expect(await watching.ended).toBe(0);
  const events = watching.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const sounds = events.flatMap(({ data }) => (data.type === 'agent.audio' ? [data.data] : []));
  expect(Buffer.from(sounds.join(''), 'base64').length).toBeGreaterThan(10_000);
});

test('whoever speaks while an answer is given interrupts it', async () => {
  app.provider.script(answer('Once upon a time', gate(), ' never said'), answer('All right.'));
  const run = cli(['listen', '--sample-rate', String(rate)], { env });
  run.child.stdin.write(sound(room(0.3), sentence, room(1.2)));
  await run.shows('Once upon a time');
  run.child.stdin.end(sound(room(0.3), sentence, room(1.2)));
  expect(await run.ended, run.stderr).toBe(0);
  expect(run.stdout).toMatch(
    /^you {4}.*\nagent {2}Once upon a time\n⏹ interrupted\nyou {4}.*\nagent {2}All right\.\n$/,
  );
});

test('without barge-in nothing is heard while an answer is given; once leaves after the first', async () => {
  const hold = gate();
  app.provider.script(answer('Patience', hold, '.'));
  const header = Buffer.from(wavOf([], rate));
  header.writeUInt16LE(channels, 22);
  const run = cli(['listen', '--no-barge-in', '--json'], { env });
  run.child.stdin.write(sound(header, wide(sound(sentence, room(1)))));
  await run.shows('agent.delta');
  // When the pipe has all of it, what is said at its beginning has been heard, or not.
  await new Promise<void>((resolve) => run.child.stdin.end(wide(sound(sentence, room(3))), () => resolve()));
  hold.release();
  expect(await run.ended, run.stderr).toBe(0);
  const events = run.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.filter(({ type }) => type === 'turn.started')).toHaveLength(1);
  expect(events.filter(({ type }) => type === 'turn.completed')).toHaveLength(1);
  const sounds = events.filter(({ type }) => type === 'agent.audio');
  expect(sounds.some(({ data }) => Buffer.from(data, 'base64').length > 1_000)).toBe(true);

  app.provider.script(answer('Only this.'));
  const once = hearing(sound(sentence, room(1), sentence, room(1)), ['--once', '--fast', '--timing']);
  expect(await once.ended, once.stderr).toBe(0);
  expect(once.stdout.match(/^you/gm)).toHaveLength(1);
  expect(once.stdout).toMatch(/^agent {2}Only this\.\n[\s\S]*^whole turn .*█/m);
});

test('SIGINT ends listening, and what was said is still answered', async () => {
  app.provider.script(answer('Until the end.'));
  const run = cli(['listen'], { env });
  run.child.stdin.write(sound(room(0.3), sentence));
  await run.shows('listening', 'stderr');
  const [, id = ''] = conversationIn.exec(run.stderr) ?? [];
  const parley = await parleyOf(app, 'ann');
  const controller = new AbortController();
  // Some of it has been understood: it is being said.
  await collect(parley.conversation(id).events({ signal: controller.signal }), ({ data }) => {
    if (data.type === 'transcript.partial') controller.abort();
  });
  run.child.kill('SIGINT');
  expect(await run.ended, run.stderr).toBe(0);
  expect(run.stdout).toMatch(/^you {4}.*\nagent {2}Until the end\.\n$/);
});

test('what is no speech, and no sound, is said in one line', async () => {
  const deaf = hearing(room(2), ['--fast']);
  expect(await deaf.ended).toBe(1);
  expect(deaf.stderr).toMatch(/\nparley: nobody spoke\n$/);
  const empty = hearing(new Uint8Array(0));
  expect(await empty.ended).toBe(1);
  expect(empty.stderr).toMatch(/\nparley: no sound came\n$/);
  const eightBit = Buffer.from(wavOf([room(0.1)], rate));
  eightBit.writeUInt16LE(8, 34);
  const odd = hearing(eightBit);
  expect(await odd.ended).toBe(1);
  expect(odd.stderr).toMatch(/\nparley: a WAV file has to have 16-bit samples/);
});

test.skipIf(!hasTerminal)('on a terminal it is the microphone, and without a program for it one line', async () => {
  const bin = path.join(folder, 'bin');
  fs.mkdirSync(bin);
  for (const name of ['script', 'cat'])
    fs.symlinkSync(spawnSync('which', [name]).stdout.toString().trim(), `${bin}/${name}`);
  const none = terminal(['listen'], { env: { ...env, PATH: bin } });
  expect(await none.ended).toBe(1);
  expect(none.stdout).toMatch(
    /^parley: no program here records sound: install arecord .* npm run -s parley -- listen\r\n$/,
  );

  const file = path.join(folder, 'spoken.raw');
  fs.writeFileSync(file, sound(room(0.3), sentence, room(1)));
  fs.writeFileSync(path.join(bin, 'arecord'), `#!/bin/sh\nexec cat '${file}'\n`, { mode: 0o755 });
  const heard = path.join(folder, 'heard.raw');
  fs.writeFileSync(path.join(bin, 'aplay'), `#!/bin/sh\nexec cat > '${heard}'\n`, { mode: 0o755 });
  app.provider.script(answer('Loud and clear.'));
  const run = terminal(['listen'], { env: { ...env, PATH: bin } });
  expect(await run.ended, run.stdout).toBe(0);
  expect(run.stdout).toContain('listening with arecord in conversation');
  expect(run.stdout).toMatch(/^you {4}You said it\./m);
  expect(run.stdout).toMatch(/^agent {2}Loud and clear\.\r$/m);
  // Three words of a fifth of a second each, at 24 kHz.
  await vi.waitFor(() => expect(fs.statSync(heard).size).toBeGreaterThan(0.5 * 24_000 * 2), 10_000);

  fs.writeFileSync(path.join(bin, 'arecord'), '#!/bin/sh\necho "no such device" >&2\nexit 1\n', { mode: 0o755 });
  const broken = terminal(['listen'], { env: { ...env, PATH: bin } });
  expect(await broken.ended).toBe(1);
  expect(broken.stdout).toMatch(/parley: arecord does not record \(no such device\): or pipe sound in/);
});

test('endpoints are found in noise, and by clicks none', () => {
  const ends = (samples: Int16Array, pauseMs = 500): string[] => {
    const endpointer = new Endpointer(pauseMs);
    const size = (rate * frameMs) / 1000;
    const found: string[] = [];
    for (let at = 0; at < samples.length; at += size) {
      const change = endpointer.push(samples.subarray(at, at + size));
      if (change) found.push(`${change} ${(at / rate).toFixed(1)}`);
    }
    return found;
  };
  let seed = 1;
  const noise = (seconds: number, loud: number): Int16Array =>
    Int16Array.from({ length: seconds * rate }, () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return Math.round((seed / 2_147_483_647 - 0.5) * 2 * loud);
    });
  const all = (...pieces: Int16Array[]): Int16Array => Int16Array.from(pieces.flatMap((piece) => [...piece]));
  expect(ends(noise(5, 100))).toEqual([]);
  expect(ends(noise(5, 800))).toEqual([]);
  expect(ends(all(noise(1, 100), noise(1, 5_000), noise(1, 100)))).toEqual(['begins 1.1', 'ends 2.5']);
  expect(ends(all(noise(1, 800), noise(1, 8_000), noise(1, 800)))).toEqual(['begins 1.1', 'ends 2.5']);
  // Shorter than any word, and a pause that is shorter than the one that ends.
  expect(ends(all(noise(1, 100), noise(0.06, 9_000), noise(1, 100)))).toEqual([]);
  expect(ends(all(noise(1, 100), noise(1, 5_000), noise(0.3, 100), noise(1, 5_000), noise(1, 100)))).toHaveLength(2);
});

test('sound is read in frames however its bytes come, with channels mixed and a header that lies', async () => {
  const stereo = Int16Array.from({ length: 4_000 }, (_, index) => (index % 2 === 0 ? 1_000 : 3_000));
  const file = Buffer.from(wavOf([new Uint8Array(stereo.buffer)], rate));
  file.writeUInt16LE(2, 22);
  // A recorder does not know how long it will go on.
  file.writeUInt32LE(0xffff_ffff, 4);
  file.writeUInt32LE(0xffff_ffff, 40);
  for (const size of [1, 7, 100_000]) {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size);
    }
    const read = await readSound(pieces(), 8_000);
    if (!read) throw new Error('no sound');
    const frames = await collect(read.frames);
    expect([read.sampleRate, ...frames.map(({ length }) => length)]).toEqual([rate, 320, 320, 320, 320, 320, 320, 80]);
    expect(new Set(frames.flatMap((frame) => [...frame]))).toEqual(new Set([2_000]));
  }
});

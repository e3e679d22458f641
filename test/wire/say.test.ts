import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { wavOf } from '@parley/client/cli/wav';
import { makeDecoder } from '@parley/server/speech/decode';
import { newId } from '@parley/shared/id';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { type Cli, cli, terminal } from '../support/cli.ts';
import { clip, clips, wordErrors } from '../support/clip.ts';
import { parleyOf } from '../support/parley.ts';
import { answer, gate } from '../support/provider.ts';
import { startSpeechProvider } from '../support/speech-provider.ts';

const fixture = (name: string): string => path.join(import.meta.dirname, '../fixture', name);
const hasTerminal = spawnSync('script', ['--version']).status === 0;
const said = clips[0]?.text ?? '';

// Models and processes take their time on a machine that has other things to do.
vi.setConfig({ testTimeout: 120_000 });

let app: App;
let env: Record<string, string>;
let folder: string;
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-say-'));
  app = await startApp({ model: 'local', env: { STT_PROVIDER: 'local', TTS_PROVIDER: 'local' } });
  env = { PARLEY_URL: app.url, PARLEY_TOKEN: await app.token('ann') };
});
afterAll(async () => {
  await app?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function result(run: Cli): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const code = await run.ended;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

/** A clip's samples, as bytes at 16 kHz. */
async function decoded(name: string): Promise<Uint8Array> {
  const decoder = makeDecoder({ threads: 1 });
  const { samples } = await decoder.decode(clip(name), { format: 'ogg' }, { maxSeconds: 60, maxBytes: 100_000 });
  await decoder.close();
  return new Uint8Array(Int16Array.from(samples, (value) => Math.round(value * 32_767)).buffer);
}

function transcriptIn(stdout: string): string {
  return /^you {4}(.*)$/m.exec(stdout)?.[1] ?? '';
}

/** How long a WAV file is and how loud, read by its bytes. */
function soundIn(file: string): { seconds: number; loudest: number } {
  const bytes = fs.readFileSync(file);
  expect(bytes.toString('latin1', 0, 4) + bytes.toString('latin1', 8, 12)).toBe('RIFFWAVE');
  expect(bytes.readUInt32LE(4)).toBe(bytes.length - 8);
  expect([bytes.readUInt16LE(20), bytes.readUInt16LE(22), bytes.readUInt16LE(34)]).toEqual([1, 1, 16]);
  expect(bytes.readUInt32LE(40)).toBe(bytes.length - 44);
  let loudest = 0;
  for (let at = 44; at < bytes.length; at += 2) loudest = Math.max(loudest, Math.abs(bytes.readInt16LE(at)));
  return { seconds: (bytes.length - 44) / bytes.readUInt32LE(28), loudest };
}

describe('with local models', () => {
  test('prints the transcript, the answer and its times, and writes the spoken answer', async () => {
    const out = path.join(folder, 'answer.wav');
    const run = await result(cli(['say', fixture('clip-01.ogg'), '--out', out], { env }));
    expect(run.code, run.stderr).toBe(0);
    expect(wordErrors(said, transcriptIn(run.stdout)).errors).toBeLessThanOrEqual(1);
    expect(run.stdout).toMatch(/^agent {2}\S.*$/m);
    expect(run.stdout).toMatch(/speech to text .* · first words .* · first sound .* · whole turn .* · from sending/);
    expect(run.stderr).toMatch(/^to go on: .* --conversation [0-9a-f-]{36}$/m);
    expect(run.stderr).toContain(`${out}: `);
    const { seconds, loudest } = soundIn(out);
    expect(seconds).toBeGreaterThan(1);
    expect(loudest).toBeGreaterThan(1_000);
  });

  test('in segments, shuffled, twice and over two connections, it is the same', async () => {
    // Two sentences, one after the other: a recording with a pause to cut at.
    const file = path.join(folder, 'two.wav');
    const sounds = await Promise.all(['clip-01.ogg', 'clip-06.ogg'].map(decoded));
    fs.writeFileSync(file, wavOf(sounds, 16_000));
    const both = [clips[0], clips[5]].map((each) => each?.text ?? '').join(' ');
    const whole = await result(cli(['say', file, '--no-speech'], { env }));
    const cut = await result(cli(['say', '--segments', '2', file, '--timing'], { env }));
    expect(cut.code, cut.stderr).toBe(0);
    expect(cut.stderr).toContain('2 segments sent twice over two connections: 2 accepted, 2 duplicates');
    expect(wordErrors(both, transcriptIn(whole.stdout)).errors).toBeLessThanOrEqual(1);
    expect(wordErrors(transcriptIn(whole.stdout), transcriptIn(cut.stdout)).errors).toBe(0);
    expect(cut.stdout).toMatch(/^speech to text +█+.* m?s$/m);
    expect(cut.stdout).toMatch(/^whole turn .*█.* m?s$/m);
    const [, id = ''] = /--conversation ([0-9a-f-]{36})/.exec(cut.stderr) ?? [];
    const { items } = await (await parleyOf(app, 'ann')).trpc.conversations.messages.query({ conversationId: id });
    expect(items.map(({ role }) => role)).toEqual(['human', 'agent']);
    expect(items[0]).toMatchObject({ kind: 'audio', segmentIds: [expect.any(String), expect.any(String)] });
  });

  test('one sentence too, in a file that has to be decoded, with an answer that is only read', async () => {
    const run = await result(cli(['say', fixture('clip-06.ogg'), '--segments=2', '--no-speech'], { env }));
    expect(run.code, run.stderr).toBe(0);
    expect(wordErrors(clips[5]?.text ?? '', transcriptIn(run.stdout)).errors).toBeLessThanOrEqual(1);
    expect(run.stderr).not.toContain('--out');
  });

  test('silence is no speech, said in one line', async () => {
    const run = await result(cli(['say', fixture('silence.flac')], { env }));
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toMatch(/^parley: .*\(NO_SPEECH, trace \w{32}\)\n$/);
    const cut = await result(cli(['say', fixture('silence.flac'), '--segments'], { env }));
    expect(cut.code).toBe(1);
    expect(cut.stderr).toMatch(/\nparley: .*\(NO_SPEECH\)\n$/);
  });
});

describe('with services', () => {
  test('SIGINT interrupts the answer', async () => {
    const speech = await startSpeechProvider();
    const other = await startApp({ env: { STT_BASE_URL: speech.url, TTS_BASE_URL: speech.url } });
    try {
      other.provider.script(answer('Once upon a time', gate(), ' never said'));
      const own = { PARLEY_URL: other.url, PARLEY_TOKEN: await other.token('ann') };
      const run = cli(['say', fixture('format.wav')], { env: own });
      await run.shows('agent  Once upon');
      run.child.kill('SIGINT');
      expect(await run.ended).toBe(0);
      expect(run.stdout).toMatch(/^you {4}You said it\.\nagent {2}Once upon a time\n⏹ interrupted\n/);
    } finally {
      await other.stop();
      await speech.close();
    }
  });

  test.skipIf(!hasTerminal)('on a terminal the answer is played, when a program for that is on PATH', async () => {
    const speech = await startSpeechProvider();
    const other = await startApp({ env: { STT_BASE_URL: speech.url, TTS_BASE_URL: speech.url } });
    try {
      const bin = path.join(folder, 'bin');
      const heard = path.join(folder, 'heard.wav');
      fs.mkdirSync(bin);
      fs.writeFileSync(path.join(bin, 'afplay'), `#!/bin/sh\ncp "$1" '${heard}'\n`, { mode: 0o755 });
      const own = { PARLEY_URL: other.url, PARLEY_TOKEN: await other.token('ann'), PATH: `${bin}:${process.env.PATH}` };
      const run = terminal(['say', fixture('format.webm')], { env: own });
      expect(await run.ended, run.stdout).toBe(0);
      expect(soundIn(heard).seconds).toBeGreaterThan(0.5);
      expect(run.stdout).not.toContain('--out');
    } finally {
      await other.stop();
      await speech.close();
    }
  });

  test('as JSON prints every event of the turn, bytes in base64, in the conversation that is named', async () => {
    const speech = await startSpeechProvider();
    const other = await startApp({ env: { STT_BASE_URL: speech.url, TTS_BASE_URL: speech.url } });
    try {
      const own = { PARLEY_URL: other.url, PARLEY_TOKEN: await other.token('ann') };
      const { id } = await (await parleyOf(other, 'ann')).conversations.create();
      const words = ['say', fixture('format.wav'), '--conversation', id, '--json'];
      for (const transport of ['binary', 'http']) {
        const run = await result(cli([...words, '--transport', transport], { env: own }));
        expect([run.code, run.stderr]).toEqual([0, '']);
        const events = run.stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line));
        expect([events[0].type, events.at(-1).type]).toEqual(['turn.started', 'turn.completed']);
        const text = events.flatMap((event) => (event.type === 'agent.delta' ? [event.text] : [])).join('');
        expect(text).toBe('You said: You said it.. 1 2 3');
        const sounds = events.filter(({ type }) => type === 'agent.audio');
        expect(sounds.some(({ data }) => Buffer.from(data, 'base64').length > 10_000)).toBe(true);
      }
      const silent = await result(cli([...words, '--no-speech'], { env: own }));
      expect(silent.stdout).not.toContain('agent.audio');
    } finally {
      await other.stop();
      await speech.close();
    }
  });
});

test('words that make no sense, and files that are none, are said in one line', async () => {
  const text = path.join(folder, 'letter.wav');
  fs.writeFileSync(text, 'Dear Ann, this is a letter and not a sound at all.');
  fs.writeFileSync(path.join(folder, 'empty.mp3'), '');
  fs.writeFileSync(path.join(folder, 'large.wav'), Buffer.alloc(6 * 1024 * 1024));
  const wrong: [string[], number, string][] = [
    [['say'], 2, 'FILE is missing'],
    [['say', 'letter.txt'], 2, "'letter.txt' should end in .wav"],
    [['say', 'a.wav', 'b.wav'], 2, "unexpected 'b.wav'"],
    [['say', 'a.wav', '--out', 'b.wav', '--no-speech'], 2, 'exclude each other'],
    [['say', fixture('clip-01.ogg'), '--segments', '500'], 2, '--segments is a number from 1 to '],
    [['say', fixture('clip-01.ogg'), '--segments=many'], 2, '--segments is a number'],
    [['say', path.join(folder, 'none.wav')], 1, 'there is no file'],
    [['say', path.join(folder, 'empty.mp3')], 1, 'is empty'],
    [['say', path.join(folder, 'large.wav')], 1, 'has more than 5 MB: --segments'],
    [['say', fixture('clip-01.ogg'), '--out', path.join(folder, 'no', 'a.wav')], 1, 'there is no folder'],
    [['say', text], 1, '(UNSUPPORTED_FORMAT'],
    [['say', text, '--segments'], 1, '(UNSUPPORTED_FORMAT)'],
    [['say', fixture('clip-01.ogg'), '--conversation', newId()], 1, '(NOT_FOUND'],
  ];
  for (const [args, code, message] of wrong) {
    const run = await result(cli(args, { env }));
    expect([args, run.code, run.stdout]).toEqual([args, code, '']);
    expect(run.stderr).toContain(message);
    if (code === 1) expect(run.stderr).toMatch(/^parley: .*\n$/);
  }
});

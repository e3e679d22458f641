import { spawnSync } from 'node:child_process';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { assembleSpeech } from '@parley/server/boot/voice';
import { Warming } from '@parley/server/boot/warm';
import { SpeechError, type Warm } from '@parley/server/speech/port';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startApp } from '../support/app.ts';

/** Keeps what is logged. */
function logger() {
  const lines: string[] = [];
  const add = (_: object, message: string) => void lines.push(message);
  return { lines, info: add, warn: add, error: add };
}

describe('loading ahead', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  it('comes behind the start, one part after the other, whichever fails', async () => {
    const order: string[] = [];
    const part = (name: string): Warm => ({
      warm: async () => {
        order.push(`${name} begins`);
        await null;
        order.push(`${name} ends`);
        if (name === 'second') throw new SpeechError('STT_UNAVAILABLE', { transient: true });
      },
    });
    const log = logger();
    const warming = new Warming([part('first'), {}, part('second'), part('third')], log);
    expect(order).toEqual([]);
    await vi.runAllTimersAsync();
    expect(order).toEqual(['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]));
    expect(log.lines).toEqual(['speech not loaded ahead', 'speech loaded ahead']);
    warming.close();
  });

  it('stops with the server, and has nothing to say of it', async () => {
    const log = logger();
    let begun = 0;
    const part: Warm = {
      warm: (signal) =>
        new Promise((_, reject) => {
          begun++;
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    };
    const early = new Warming([part], log);
    early.close();
    const late = new Warming([part, part], log);
    await vi.runAllTimersAsync();
    late.close();
    await vi.runAllTimersAsync();
    expect([begun, log.lines]).toEqual([1, []]);
  });

  it('is for what runs on this machine', async () => {
    const warmable = async (env: Record<string, string>): Promise<string[]> => {
      const speech = assembleSpeech(decide(readEnvironment(env)));
      await speech.close();
      return speech.warm.flatMap((part) => (part.warm && 'model' in part ? [String(part.model)] : []));
    };
    expect(await warmable({})).toEqual(['silero-vad-v5', 'moonshine-tiny', 'flite']);
    expect(await warmable({ OPENAI_API_KEY: 'sk-1' })).toEqual([]);
    expect(await warmable({ OPENAI_API_KEY: 'sk-1', TTS_PROVIDER: 'local' })).toEqual(['flite']);
  });
});

it('a server with local models loads them by itself', { timeout: 60_000 }, async () => {
  const app = await startApp({ env: { STT_PROVIDER: 'local', TTS_PROVIDER: 'local' }, model: 'local' });
  try {
    expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
    await vi.waitUntil(() => app.log.some((line) => line.includes('speech loaded ahead')), { timeout: 50_000 });
    expect(app.log.some((line) => line.includes('not loaded'))).toBe(false);
  } finally {
    await app.stop();
  }
});

// To end a thread in the middle of native code is to end the process.
it('a process that stops while it loads ends in good order', { timeout: 60_000 }, () => {
  const script = `
    import { localVoiceActivity } from '@parley/server/speech/local/activity';
    import { localTranscriber } from '@parley/server/speech/local/transcriber';
    for (const ms of [20, 80, 140, 200, 260]) {
      const parts = [localTranscriber(), localVoiceActivity()];
      const loading = parts.map((part) => part.warm(new AbortController().signal));
      await Promise.race([...loading, new Promise((resolve) => setTimeout(resolve, ms))]);
      await Promise.all([Promise.allSettled(loading), ...parts.map((part) => part.close())]);
    }
    console.log('closed');
  `;
  const args = ['--input-type=module', '--eval', script];
  const options = { cwd: import.meta.dirname, encoding: 'utf8', timeout: 50_000 } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, args, options);
  expect({ stdout, stderr, status }).toEqual({ stdout: 'closed\n', stderr: '', status: 0 });
});

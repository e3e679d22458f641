import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { Histogram } from '@parley/client/cli/load-histogram';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type App, jwtSecret, startApp } from '../support/app.ts';
import { cli, result, terminal } from '../support/cli.ts';
import { startSpeechProvider } from '../support/speech-provider.ts';

vi.setConfig({ testTimeout: 120_000 });

const hasTerminal = spawnSync('script', ['--version']).status === 0;

let app: App;
let env: Record<string, string>;
beforeAll(async () => {
  app = await startApp({ model: 'echo:6:5' });
  env = { PARLEY_URL: app.url, AUTH_JWT_SECRET: jwtSecret };
});
afterAll(async () => {
  await app?.stop();
});

/** Turns by how they ended and events, as the server's own metrics tell them. */
async function counted(of: App): Promise<{ completed: number; failed: number; events: number }> {
  const text = await (await fetch(`${of.url}/metrics`)).text();
  const sum = (pattern: RegExp): number => [...text.matchAll(pattern)].reduce((all, [, n]) => all + Number(n), 0);
  return {
    completed: sum(/^parley_turns_total\{status="completed".*\} (\d+)$/gm),
    failed: sum(/^parley_turns_total\{status="failed".*\} (\d+)$/gm),
    events: sum(/^parley_events_total (\d+)$/gm),
  };
}

test('a few users: what it counts is what the server counts', async () => {
  const before = await counted(app);
  const words = ['--users', '4', '--seconds', '60', '--turns-per-user', '3', '--rate', 'max', '--json'];
  const run = await result(cli(['load', ...words], { env }));
  expect(run.code, run.stderr).toBe(0);
  expect(run.stderr).not.toContain('Warning');
  const { server, milliseconds, ...summary } = JSON.parse(run.stdout);
  expect(summary).toMatchObject({
    users: 4,
    turns: { sent: 12, taken: 12, completed: 12, failed: 0, refused: 0, lost: 0, unfinished: 0, late: 0 },
  });
  const after = await counted(app);
  expect(after.completed - before.completed).toBe(12);
  expect(summary.events).toBe(after.events - before.events);
  expect(server).toEqual({
    completed: 12,
    interrupted: 0,
    failed: 0,
    events: summary.events,
    refused: {},
    agrees: true,
  });
  for (const what of ['ack', 'firstDelta', 'end']) expect(milliseconds[what].count).toBe(12);
  const { ack, end } = milliseconds;
  expect(ack.p50).toBeGreaterThan(0);
  expect(end.p99).toBeGreaterThanOrEqual(end.p50);
  expect(end.max).toBeGreaterThanOrEqual(end.p99);
  // Six pieces, five milliseconds apart.
  expect(end.p50).toBeGreaterThan(25);
});

test('it ends when its time is over, and paces its turns', async () => {
  const run = await result(cli(['load', '--users', '2', '--seconds', '2', '--rate', '4'], { env }));
  expect(run.code, run.stderr).toBe(0);
  expect(run.stdout).toMatch(/^2 users, \d/);
  const [, sent = 0] = /sent (\d+)/.exec(run.stdout)?.map(Number) ?? [];
  expect(sent).toBeGreaterThanOrEqual(2);
  expect(sent).toBeLessThanOrEqual(10);
  expect(run.stdout).toMatch(/^first delta +\d+ +[\d.]+ ms +[\d.]+ ms +[\d.]+ ms +[\d.]+ ms$/m);
  expect(run.stdout).toMatch(/its counts agree with these\n$/);
  expect(run.stdout + run.stderr).not.toContain('\x1b');
});

test('what the server refuses has a line of its own, and what fails is a failure', async () => {
  const strict = await startApp({ env: { RATE_TURNS_PER_MINUTE: '2', MODEL_ATTEMPTS: '1' }, model: 'status:500' });
  try {
    const own = { PARLEY_URL: strict.url, AUTH_JWT_SECRET: jwtSecret };
    const words = ['--users', '2', '--seconds', '600', '--turns-per-user', '3', '--rate', 'max', '--transport', 'http'];
    const run = await result(cli(['load', ...words], { env: own }));
    expect(run.code).toBe(1);
    expect(run.stdout).toMatch(/^turns +sent 6, taken 4, completed 0, interrupted 0, failed 4, refused 2, /m);
    expect(run.stdout).toMatch(/^refused +RATE_LIMITED 2$/m);
    expect(run.stdout).toMatch(/^failed +MODEL_UNAVAILABLE 4$/m);
    expect(run.stdout).toMatch(/^server +completed 0, interrupted 0, failed 4, events \d+.*RATE_LIMITED 2/m);
    expect(run.stdout).toMatch(/its counts agree with these\n$/);
  } finally {
    await strict.stop();
  }
});

test('users speak a recording in segments, and hear the answer', async () => {
  const speech = await startSpeechProvider();
  const spoken = await startApp({ env: { STT_BASE_URL: speech.url, TTS_BASE_URL: speech.url } });
  try {
    const own = { PARLEY_URL: spoken.url, AUTH_JWT_SECRET: jwtSecret };
    const file = path.join(import.meta.dirname, '../fixture/format.wav');
    const words = ['--users', '2', '--seconds', '60', '--turns-per-user', '1', '--voice', file, '--segments', '3'];
    const run = await result(cli(['load', ...words, '--json'], { env: own }));
    expect(run.code, run.stderr).toBe(0);
    const { turns, segments, soundBytes, milliseconds, server } = JSON.parse(run.stdout);
    expect(turns).toMatchObject({ sent: 2, taken: 2, completed: 2 });
    expect(segments).toBe(6);
    expect(soundBytes).toBeGreaterThan(10_000);
    expect(server.agrees).toBe(true);
    for (const what of ['transcript', 'firstDelta', 'firstAudio', 'end']) expect(milliseconds[what].count).toBe(2);
    expect(milliseconds.segment.count).toBe(6);
  } finally {
    await spoken.stop();
    await speech.close();
  }
});

test.skipIf(!hasTerminal)('on a terminal a table is redrawn while it runs, and taken away', async () => {
  const run = terminal(['load', '--users', '2', '--seconds', '600', '--rate', 'max'], { env });
  await run.shows('\x1b[J2 users, ');
  run.child.stdin.write('\x03');
  // The terminal's own shell is interrupted as well: the exit code is its.
  await run.ended;
  const shown = run.stdout.replaceAll('\x1b[J', '\n⎋\n').split('\n⎋\n');
  expect(shown[0]).toMatch(/^2 users, \d+ of 600 s\r\n[\s\S]*\r\nfirst delta +\d/);
  // The last one is the result, below which nothing is.
  expect(shown.at(-1)).toMatch(/^2 users, [\d.]+ s\r\n[\s\S]*its counts agree with these\r\n$/);
});

test('SIGINT ends it early, with all that was counted', async () => {
  const run = cli(['load', '--users', '2', '--seconds', '600', '--rate', 'max'], { env });
  await run.shows('2 users', 'stderr');
  run.child.kill('SIGINT');
  expect(await run.ended).toBe(0);
  expect(run.stdout).toMatch(/its counts agree with these\n$/);
});

test('durations are told to two hundredths, in a size that does not grow', () => {
  const histogram = new Histogram();
  for (let i = 1; i <= 10_000; i++) histogram.add(i / 10);
  for (const q of [0.5, 0.95, 0.99]) {
    expect(histogram.quantile(q)).toBeGreaterThanOrEqual(1_000 * q * 0.999);
    expect(histogram.quantile(q)).toBeLessThanOrEqual(1_000 * q * 1.021);
  }
  expect(histogram.summary()).toMatchObject({ count: 10_000, max: 1_000, mean: 500.05 });
  expect(new Histogram().summary()).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});

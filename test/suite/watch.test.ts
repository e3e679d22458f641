import { Watch } from '@parley/client/connection/watch';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const heartbeatMs = 1_000;
/** Silence, as long again as half of it for an answer, and the looks in between. */
const deadMs = 2_000;

/** As much of a WebSocket as is watched. */
class Socket extends EventTarget {
  bufferedAmount = 0;
  pings = 0;

  send(): void {
    this.pings++;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function start() {
  const ws = new Socket();
  let why: string | undefined;
  const watch = new Watch(heartbeatMs, (told) => {
    why ??= told;
    watch.stop();
  });
  watch.start(() => ({ state: 'open', ws }));
  return { ws, watch, why: () => why };
}

test('a server that does not answer is given up, and one that says anything is not', () => {
  const { ws, why } = start();
  for (let i = 0; i < 10; i++) {
    vi.advanceTimersByTime(heartbeatMs + heartbeatMs / 4);
    ws.dispatchEvent(new Event('message'));
  }
  expect([why(), ws.pings]).toEqual([undefined, 10]);
  vi.advanceTimersByTime(deadMs);
  expect(why()).toContain('silent');
});

// Guard: what is being sent is given the time that a slow link takes.
test('silence behind a large message is borne for as long as it may be on its way, and no longer', () => {
  const { watch, why } = start();
  vi.advanceTimersByTime(heartbeatMs / 4);
  watch.sent(160_000);
  vi.advanceTimersByTime(10_000);
  expect(why()).toBeUndefined();
  vi.advanceTimersByTime(deadMs);
  expect(why()).toContain('silent');
});

test('however much is sent, silence is borne for a minute at most', () => {
  const { watch, why } = start();
  for (let i = 0; i < 100; i++) watch.sent(7_000_000);
  vi.advanceTimersByTime(60_000 + deadMs);
  expect(why()).toContain('silent');
});

// Guard: a socket that has less to send than before is alive.
test('silence is borne while the socket gets rid of something', () => {
  const { ws, why } = start();
  ws.bufferedAmount = 1_000;
  for (let i = 0; i < 20; i++) {
    vi.advanceTimersByTime(heartbeatMs / 4);
    ws.bufferedAmount--;
  }
  expect(why()).toBeUndefined();
  vi.advanceTimersByTime(deadMs);
  expect(why()).toContain('silent');
});

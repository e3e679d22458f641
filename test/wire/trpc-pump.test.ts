import { pump } from '@parley/server/rpc/pump';
import { expect, it } from 'vitest';

const many = 100_000;

async function* values() {
  for (let i = 0; i < many; i++) yield i;
}

it('an iterable that never waits leaves the event loop its turns', async () => {
  const controller = new AbortController();
  let delivered = 0;
  setImmediate(() => controller.abort());
  await pump(values(), controller, async () => {
    delivered++;
  });
  expect(delivered).toBeGreaterThan(0);
  expect(delivered).toBeLessThan(many);
});

it('an iterable that cannot be begun has failed', async () => {
  const failure = new Error('not today');
  const broken: AsyncIterable<unknown> = {
    [Symbol.asyncIterator]() {
      throw failure;
    },
  };
  expect(await pump(broken, new AbortController(), async () => {})).toEqual({ failure });
});

it('a failure of the clean-up is told beside that of the iteration', async () => {
  const controller = new AbortController();
  const broken: AsyncIterable<unknown> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: 1 }),
      return: () => Promise.reject(new Error('cleanup')),
    }),
  };
  const outcome = await pump(broken, controller, () => Promise.reject(new Error('delivery')));
  expect(outcome).toMatchObject({ failure: { message: 'delivery' }, cleanup: { message: 'cleanup' } });
  expect(controller.signal.aborted).toBe(true);
});

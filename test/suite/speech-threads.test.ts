import { spawnSync } from 'node:child_process';
import { Threads } from '@parley/server/speech/threads';
import { afterEach, describe, expect, it } from 'vitest';
import type { ToyJob } from './speech-toy-thread.ts';

const never = new AbortController().signal;
const open: Threads<ToyJob, number>[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((threads) => threads.close()));
});

function toys(
  options: { size?: number; waiting?: number; jobMs?: number; stopMs?: number } = {},
): Threads<ToyJob, number> {
  const module = new URL('./speech-toy-thread.ts', import.meta.url);
  const threads = new Threads<ToyJob, number>({
    module,
    name: 'toy',
    size: 1,
    waiting: 8,
    jobMs: 20_000,
    heapMb: 32,
    ...options,
  });
  open.push(threads);
  return threads;
}

/** A job that holds its thread until it is stopped, once it has begun. */
async function hold(threads: Threads<ToyJob, number>): Promise<{ abort(reason: Error): void; held: Promise<number> }> {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const controller = new AbortController();
  const held = threads.run({ do: 'wait', gate }, controller.signal);
  held.catch(() => undefined);
  await Atomics.waitAsync(gate, 0, 0).value;
  return { abort: (reason) => controller.abort(reason), held };
}

const echo = (value: number): ToyJob => ({ do: 'echo', value });

describe('Threads', () => {
  it('starts a thread when there is work, and keeps it', async () => {
    const threads = toys({ size: 2 });
    expect(threads.size).toBe(0);
    expect(await threads.run(echo(1), never)).toBe(1);
    expect(await threads.run(echo(2), never)).toBe(2);
    expect(threads.size).toBe(1);
  });

  it('does as many jobs at once as it has threads, the rest in order', async () => {
    const threads = toys({ size: 2 });
    const first = await hold(threads);
    const second = await hold(threads);
    const order: number[] = [];
    const rest = [3, 4, 5].map((value) => threads.run(echo(value), never).then((answer) => order.push(answer)));
    first.abort(new Error('enough'));
    await Promise.all(rest);
    expect(order).toEqual([3, 4, 5]);
    expect(threads.size).toBe(2);
    second.abort(new Error('enough'));
  });

  it('refuses more than may wait', async () => {
    const threads = toys({ waiting: 2 });
    const { abort } = await hold(threads);
    const waiting = [threads.run(echo(1), never), threads.run(echo(2), never)];
    await expect(threads.run(echo(3), never)).rejects.toMatchObject({ fault: 'busy' });
    abort(new Error('enough'));
    expect(await Promise.all(waiting)).toEqual([1, 2]);
  });

  it('rejects an aborted job at once and gives its thread to the next', async () => {
    const threads = toys();
    const { abort, held } = await hold(threads);
    const reason = new Error('nobody waits');
    abort(reason);
    await expect(held).rejects.toBe(reason);
    expect(await threads.run(echo(7), never)).toBe(7);
    expect(threads.size).toBe(1);
  });

  it('never begins a job that was aborted while it waited', async () => {
    const threads = toys();
    const { abort } = await hold(threads);
    const controller = new AbortController();
    const waiting = threads.run({ do: 'exit' }, controller.signal);
    const reason = new Error('nobody waits');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    abort(reason);
    expect(await threads.run(echo(7), never)).toBe(7);
  });

  it('ends a thread that does not notice that its job was stopped', async () => {
    const threads = toys({ stopMs: 50 });
    await threads.run(echo(1), never);
    const controller = new AbortController();
    const spinning = threads.run({ do: 'spin' }, controller.signal);
    controller.abort(new Error('nobody waits'));
    await expect(spinning).rejects.toThrow('nobody waits');
    expect(await threads.run(echo(2), never)).toBe(2);
  });

  it('survives a job that fails', async () => {
    const threads = toys();
    await expect(threads.run({ do: 'fail' }, never)).rejects.toMatchObject({ fault: 'failed', message: 'it failed' });
    expect(threads.size).toBe(1);
    expect(await threads.run(echo(1), never)).toBe(1);
  });

  it.each([
    ['exits', 'exit', 'crashed'],
    ['fills its memory', 'fill', 'crashed'],
    ['does not end', 'spin', 'hung'],
  ] as const)('starts a new thread after one that %s', async (_, what, fault) => {
    const threads = toys({ jobMs: fault === 'hung' ? 1_500 : 20_000 });
    const failing = threads.run({ do: what }, never);
    const next = threads.run(echo(5), never);
    await expect(failing).rejects.toMatchObject({ fault });
    expect(await next).toBe(5);
    expect(threads.size).toBe(1);
  });

  it('closes with everything that it does', async () => {
    const threads = toys();
    const { held } = await hold(threads);
    const waiting = threads.run(echo(1), never);
    const closing = threads.close();
    await expect(held).rejects.toMatchObject({ fault: 'closed' });
    await expect(waiting).rejects.toMatchObject({ fault: 'closed' });
    await closing;
    expect(threads.size).toBe(0);
    await expect(threads.run(echo(2), never)).rejects.toMatchObject({ fault: 'closed' });
  });

  it('keeps a process alive while it works, and no longer', () => {
    const script = `
      import { Threads } from '@parley/server/speech/threads';
      const module = new URL('./speech-toy-thread.ts', 'file://${import.meta.dirname}/');
      const threads = new Threads({ module, name: 'toy', size: 1, waiting: 8, jobMs: 20_000, heapMb: 32 });
      console.log(await threads.run({ do: 'echo', value: 42 }, new AbortController().signal), threads.size);
    `;
    const args = ['--input-type=module', '--eval', script];
    const options = { cwd: import.meta.dirname, encoding: 'utf8', timeout: 20_000 } as const;
    const { stdout, stderr } = spawnSync(process.execPath, args, options);
    expect({ stdout, stderr }).toEqual({ stdout: '42 1\n', stderr: '' });
  });
});

import type { Transferable } from 'node:worker_threads';
import { parentPort } from 'node:worker_threads';

/** A job on its way to a thread. The first element of `stop` becomes 1 when nobody waits for the answer any more. */
export interface Task<Job> {
  id: number;
  job: Job;
  stop: Int32Array<SharedArrayBuffer>;
}

/** What a thread sends back: the answer, or what the job threw. */
export type Outcome<Answer> = { id: number } & ({ ok: true; answer: Answer } | { ok: false; message: string });

/** Does one job. It looks at `isStopped` between steps and may return anything once that is true. */
export type Handler<Job, Answer> = (
  job: Job,
  isStopped: () => boolean,
) => Promise<{ answer: Answer; transfer?: Transferable[] }>;

/** The inside of a thread of `Threads`: loads once, at the first job, then does one job after the other. */
export function serve<Job, Answer>(load: () => Promise<Handler<Job, Answer>>): void {
  const port = parentPort;
  // Decoders print what they think of their input, which is a user's.
  for (const level of ['debug', 'error', 'info', 'log', 'warn'] as const) console[level] = () => undefined;
  if (port === null) throw new Error('this module runs in a worker thread');
  let loaded: Promise<Handler<Job, Answer>> | undefined;
  port.on('message', async ({ id, job, stop }: Task<Job>) => {
    try {
      loaded ??= load();
      const handle = await loaded;
      const { answer, transfer = [] } = await handle(job, () => Atomics.load(stop, 0) === 1);
      const outcome: Outcome<Answer> = { id, ok: true, answer };
      port.postMessage(outcome, transfer);
    } catch (error) {
      const outcome: Outcome<Answer> = {
        id,
        ok: false,
        message: error instanceof Error ? error.message : String(error),
      };
      port.postMessage(outcome);
    }
  });
}

import { serve } from '@parley/server/speech/task';

export type ToyJob =
  | { do: 'echo'; value: number }
  | { do: 'fail' }
  | { do: 'exit' }
  | { do: 'spin' }
  | { do: 'fill' }
  | { do: 'wait'; gate: Int32Array<SharedArrayBuffer> };

/** Does what threads should not do. `wait` tells by 1 that it has begun, and ends when it is stopped. */
serve<ToyJob, number>(async () => async (job, isStopped) => {
  console.error('noise that nobody should see');
  switch (job.do) {
    case 'echo':
      return { answer: job.value };
    case 'fail':
      throw new Error('it failed');
    case 'exit':
      process.exit(1);
      break;
    case 'spin':
      for (;;);
    case 'fill': {
      const kept: number[][] = [];
      for (;;) kept.push(Array.from({ length: 10_000 }, (_, index) => index + 0.5));
    }
    case 'wait':
      Atomics.store(job.gate, 0, 1);
      Atomics.notify(job.gate, 0);
      while (!isStopped()) Atomics.wait(job.gate, 0, 1, 5);
      return { answer: -1 };
  }
});

import type { Browser, Page } from 'playwright-core';
import { z } from 'zod';

/** What a page's main thread did between two moments. Milliseconds. */
export interface Tasks {
  count: number;
  /** The longest task by the time that its thread ran: what other programs took of the machine does not count. */
  longestMs: number;
  /** The longest by the clock. */
  longestWallMs: number;
  over50Ms: number;
}

const traced = z.object({
  traceEvents: z.array(
    z.object({
      name: z.string(),
      pid: z.number(),
      tid: z.number(),
      /** Microseconds by the clock and of the thread. */
      dur: z.number().optional(),
      tdur: z.number().optional(),
      args: z.object({ name: z.unknown() }).partial().optional(),
    }),
  ),
});

/** Has the browser trace what its pages' main threads do meanwhile. */
export async function tasksOf(browser: Browser, page: Page, act: () => Promise<void>): Promise<Tasks> {
  await browser.startTracing(page, { categories: ['__metadata', 'disabled-by-default-devtools.timeline'] });
  let trace: Buffer | undefined;
  try {
    await act();
  } finally {
    trace = await browser.stopTracing();
  }
  const { traceEvents } = traced.parse(JSON.parse(trace.toString()));
  const threads = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = traceEvents.filter(({ name, pid, tid }) => name === 'RunTask' && threads.has(`${pid} ${tid}`));
  const longest = (times: number[]): number => times.reduce((most, time) => Math.max(most, time), 0) / 1_000;
  return {
    count: tasks.length,
    longestMs: longest(tasks.map(({ dur = 0, tdur = dur }) => tdur)),
    longestWallMs: longest(tasks.map(({ dur = 0 }) => dur)),
    over50Ms: tasks.filter(({ dur = 0, tdur = dur }) => tdur > 50_000).length,
  };
}

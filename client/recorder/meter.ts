import { Cell, type Live } from '../conversation/live.ts';

/** How loud it is where something is recorded: 0 to 1, a root mean square, told of a few times a second. */
export interface Meter extends Live<number> {
  /** How loud the last frame was. */
  push(rms: number): void;
  /** Nothing is listened to any more. */
  reset(): void;
}

/** Milliseconds between two levels, steps that a level has, and how much of a peak is left at the next. */
const everyMs = 50;
const steps = 64;
const decay = 0.7;

/** Shows peaks at once and lets them sink, as meters do. */
export function createMeter(now: () => number = Date.now): Meter {
  const cell = new Cell(0);
  let peak = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  return {
    get: cell.get,
    subscribe: cell.subscribe,
    push(rms) {
      peak = Math.max(peak, Math.min(1, Math.max(0, rms)));
      const at = now();
      if (at - toldAt < everyMs && at >= toldAt) return;
      toldAt = at;
      cell.set(Math.round(peak * steps) / steps);
      peak *= decay;
    },
    reset() {
      peak = 0;
      cell.set(0);
    },
  };
}

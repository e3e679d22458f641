import type { Sound } from '../port.ts';

/** Seconds: a window is never longer, and a cut is looked for from `leastSeconds` on. */
const mostSeconds = 20;
const leastSeconds = 10;
/** How long a stretch has to be quiet to be cut in its middle, and the steps in which it is looked for. */
const quietSeconds = 0.3;
const stepSeconds = 0.02;

/** Cuts a long sound into windows that a model can take at once, each where it is quietest. Together they are the sound. */
export function cutWindows({ samples, sampleRate }: Sound): Float32Array[] {
  const windows: Float32Array[] = [];
  let rest = samples;
  while (rest.length > mostSeconds * sampleRate) {
    const cut = quietest(rest, leastSeconds * sampleRate, mostSeconds * sampleRate, sampleRate);
    windows.push(rest.subarray(0, cut));
    rest = rest.subarray(cut);
  }
  windows.push(rest);
  return windows;
}

/** The middle of the quietest stretch between two samples. */
function quietest(samples: Float32Array, from: number, to: number, sampleRate: number): number {
  const step = Math.round(stepSeconds * sampleRate);
  const energies: number[] = [];
  for (let at = from; at + step <= to; at += step) {
    let energy = 0;
    for (let index = at; index < at + step; index++) energy += (samples[index] ?? 0) ** 2;
    energies.push(energy);
  }
  const steps = Math.round(quietSeconds / stepSeconds);
  let sum = energies.slice(0, steps).reduce((total, energy) => total + energy, 0);
  let best = { sum, at: 0 };
  for (let at = 1; at + steps <= energies.length; at++) {
    sum += (energies[at + steps - 1] ?? 0) - (energies[at - 1] ?? 0);
    if (sum < best.sum) best = { sum, at };
  }
  return from + (best.at + (steps >> 1)) * step;
}

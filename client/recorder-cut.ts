/** The stretch that is compared, in seconds: about a short pause between two words, longer than those within one. */
const windowSeconds = 0.06;

/**
 * Where a recording is cut best between two places: in the middle of its quietest stretch, so that no word is cut in two.
 * All places are counts of samples.
 */
export function quietest(samples: Int16Array, sampleRate: number, from: number, to: number): number {
  const size = Math.max(1, Math.round(windowSeconds * sampleRate));
  const end = Math.min(to, samples.length);
  if (end - from <= size) return Math.min(from + (size >> 1), end);
  let energy = 0;
  for (let at = from; at < from + size; at++) energy += Math.abs(samples[at] ?? 0);
  let least = energy;
  let found = from;
  for (let at = from + 1; at + size <= end; at++) {
    energy += Math.abs(samples[at + size - 1] ?? 0) - Math.abs(samples[at - 1] ?? 0);
    if (energy >= least) continue;
    least = energy;
    found = at;
  }
  return found + (size >> 1);
}

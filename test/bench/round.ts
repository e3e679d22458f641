/**
 * Counts rounds: the first one, 0, warms everything up and is not to be counted. After `most` counted ones it ends, or after
 * one when they have taken `seconds` together: a machine that is busy with something else gets fewer.
 */
export function* rounds(most: number, seconds: number): Generator<number> {
  const until = performance.now() + seconds * 1000;
  for (let round = 0; round <= most; round++) {
    if (round > 1 && performance.now() > until) return;
    yield round;
  }
}

/** Speech begins above the one and ends below the other, so that it does not flicker. */
const [onset, offset] = [0.5, 0.35];
/** Seconds: shorter pauses are part of the speech, shorter speech is a click. */
const leastPause = 0.25;
const leastSpeech = 0.16;

export const frameSeconds = 512 / 16_000;

/** The stretches of speech in a row of probabilities, one for each frame of 32 ms. In seconds, in order, apart. */
export function findSpeech(probabilities: Float32Array): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  let from: number | undefined;
  let to = 0;
  for (const [frame, probability] of probabilities.entries()) {
    const at = frame * frameSeconds;
    if (probability >= onset) from ??= at;
    if (from === undefined) continue;
    if (probability >= offset) to = at + frameSeconds;
    else if (at + frameSeconds - to >= leastPause) {
      found.push({ from, to });
      from = undefined;
    }
  }
  if (from !== undefined) found.push({ from, to });
  return found.filter((stretch) => stretch.to - stretch.from >= leastSpeech);
}

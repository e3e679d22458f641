import type { Sound, VoiceActivity } from './port.ts';

/** Seconds of sound that are kept before and after each stretch of speech: consonants are quiet. */
const padding = 0.2;

/**
 * The part of a sound in which somebody speaks: silence before, between and after the speech is left out, except for a
 * short rest around it. `undefined` when nobody speaks. Throws as `detect` does.
 */
export async function trimSilence(
  sound: Sound,
  activity: VoiceActivity,
  signal: AbortSignal,
): Promise<Sound | undefined> {
  const { samples, sampleRate } = sound;
  const stretches = await activity.detect(sound, signal);
  if (stretches.length === 0) return undefined;
  const kept: Float32Array[] = [];
  let end = 0;
  for (const { from, to } of stretches) {
    const start = Math.max(end, Math.floor((from - padding) * sampleRate));
    end = Math.max(start, Math.min(samples.length, Math.ceil((to + padding) * sampleRate)));
    kept.push(samples.subarray(start, end));
  }
  const trimmed = new Float32Array(kept.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of kept) {
    trimmed.set(piece, at);
    at += piece.length;
  }
  return { samples: trimmed, sampleRate };
}

import { newId } from '@parley/shared/id';
import type { Speak } from '@parley/shared/turn';
import type { Parley } from '../connect.ts';
import { backoff, pause } from '../connection/backoff.ts';
import { failureOf } from '../failure.ts';
import { CommandFailure } from './command.ts';
import type { Recording } from './say-recording.ts';
import type { Samples } from './wav.ts';

/** How often a call is made before its failure is the answer, and how long one may take, in milliseconds. */
const mostTries = 6;
const tryMs = 60_000;

/** What became of a recording that was sent. */
export interface Said {
  turnId: string;
  voiceSessionId: string;
}

/** Sends a whole recording. @throws ParleyFailure, CommandFailure when `signal` is aborted */
export async function sendWhole(
  { trpc }: Parley,
  conversationId: string,
  { format, data }: Recording,
  options: { turnId?: string; speak: Speak; signal: AbortSignal },
): Promise<Said> {
  const { turnId = newId(), speak } = options;
  // Named here, so that it is one turn however often it is sent.
  const input = {
    conversationId,
    turnId,
    format,
    data,
    onBusy: 'queue' as const,
    ...(speak !== true && { speak }),
  };
  return await patiently((signal) => trpc.voice.sendMessage.mutate(input, { signal }), options.signal);
}

export interface SentSegments extends Said {
  segments: number;
  accepted: number;
  duplicates: number;
}

/**
 * Sends a recording's pieces the hard way: each twice, in any order, half of them over one connection and half over another.
 * @throws ParleyFailure, CommandFailure when `signal` is aborted
 */
export async function sendSegments(
  connections: readonly Parley[],
  conversationId: string,
  pieces: readonly Samples[],
  signal: AbortSignal,
): Promise<SentSegments> {
  const voiceSessionId = newId();
  const left = shuffled([...pieces.keys(), ...pieces.keys()]);
  const sent = { accepted: 0, duplicates: 0 };
  let turnId: string | undefined;
  const send = async ({ trpc }: Parley): Promise<void> => {
    for (let index = left.shift(); index !== undefined; index = left.shift()) {
      const piece = pieces[index];
      if (!piece) continue;
      const { samples, sampleRate } = piece;
      const input = {
        conversationId,
        voiceSessionId,
        index,
        isLast: index === pieces.length - 1,
        format: 'pcm_s16le' as const,
        sampleRate,
        durationMs: (samples.length / sampleRate) * 1000,
        data: new Uint8Array(samples.buffer),
      };
      const receipt = await patiently((aborted) => trpc.voice.sendSegment.mutate(input, { signal: aborted }), signal);
      sent[receipt.status === 'accepted' ? 'accepted' : 'duplicates']++;
      turnId = receipt.turnId ?? turnId;
    }
  };
  await Promise.all(connections.map(send));
  if (turnId === undefined) throw new CommandFailure('the server did not say what becomes of it');
  return { turnId, voiceSessionId, segments: pieces.length, ...sent };
}

/** Makes a call that may be made more than once, again after failures that pass by themselves. */
async function patiently<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call(AbortSignal.any([signal, AbortSignal.timeout(tryMs)]));
    } catch (cause) {
      if (signal.aborted) throw new CommandFailure('interrupted');
      const failure = failureOf(cause);
      const isInBytes = failure.reason === 'TRANSCRIPTION_FAILED' || failure.reason === 'NO_SPEECH';
      if (!failure.retryable || isInBytes || tries >= mostTries) throw failure;
      const { retryAfterMs } = failure.details ?? {};
      await pause(Math.max(backoff(tries), typeof retryAfterMs === 'number' ? retryAfterMs : 0), signal);
    }
  }
}

function shuffled<T>(values: T[]): T[] {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const [a, b] = [values[i], values[j]];
    if (a !== undefined && b !== undefined) [values[i], values[j]] = [b, a];
  }
  return values;
}

import type { Event, Tracked } from '@parley/shared/event';
import type { Parley } from '../connect.ts';
import { TurnReader } from '../conversation/reader.ts';
import { failureOf, ParleyFailure } from '../failure.ts';
import type { Said } from './say-send.ts';

/** After this much silence the server is asked how the turn stands, in milliseconds, and after this much it is given up. */
const silentMs = 3_000;
const mostSilentMs = 180_000;

/**
 * What happens of a recording, out of its conversation's events: its transcripts and its turn, to the event that ends it.
 * @throws ParleyFailure when nothing comes of it
 */
export async function* listenTo(
  parley: Parley,
  conversationId: string,
  events: AsyncIterableIterator<Tracked>,
  { turnId, voiceSessionId }: Said,
): AsyncGenerator<Event, void, void> {
  const reader = new TurnReader({ conversationId, turnId, input: 'voice', parts: [] });
  let next = events.next();
  let silences = 0;
  while (!reader.terminal) {
    const result = await within(silentMs, next);
    if (result === 'silence') {
      if (++silences * silentMs > mostSilentMs) throw new ParleyFailure('UNAVAILABLE', 'Nothing came of it.');
      const turn = await ask(parley, turnId);
      // What still comes is better than what can be made up.
      if (turn && (await within(silentMs / 3, next)) === 'silence') yield* reader.finish(turn);
      continue;
    }
    if (result.done) throw new ParleyFailure('CONVERSATION_DELETED', 'The conversation was deleted.');
    silences = 0;
    const { data } = result.value;
    const isTranscript = 'voiceSessionId' in data && data.voiceSessionId === voiceSessionId && !('turnId' in data);
    if (isTranscript) yield data;
    else yield* reader.read(data);
    next = events.next();
  }
}

async function ask({ trpc }: Parley, turnId: string) {
  try {
    return await trpc.turns.get.query({ turnId });
  } catch (error) {
    const failure = failureOf(error);
    // Its recording is still being transcribed, or the server is lost for a moment.
    if (failure.reason === 'NOT_FOUND' || failure.retryable) return undefined;
    throw failure;
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | 'silence'> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<'silence'>((resolve) => {
    timer = setTimeout(() => resolve('silence'), ms);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}

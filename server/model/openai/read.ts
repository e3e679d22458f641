import type { ModelPart } from '../port.ts';
import { ModelError } from '../port.ts';
import type { Chunk } from './chunk.ts';
import { readChunk } from './chunk.ts';
import { EventData } from './events.ts';
import { incomplete, reportedFailure } from './failure.ts';
import { ReasoningFilter } from './reasoning.ts';

type Body = ReadableStreamDefaultReader<Uint8Array>;

/** How an answer ended. */
export interface Ending {
  usage: Chunk['usage'];
  finish: Extract<ModelPart, { type: 'finish' }>;
}

/** The data after which a stream has nothing more to say. It is no success by itself. */
const doneMarker = '[DONE]';
/** After its finish reason a service has this long to tell the usage and to end the stream. */
const trailingMs = 1_000;

/**
 * Yields what a completion's event stream says up to its finish reason, and returns the ending. A stream that ends in
 * any other way, however orderly, is `MODEL_INCOMPLETE`; one that is cut before its first event, `MODEL_UNAVAILABLE`.
 */
export async function* readAnswer(body: Body, connection: AbortController): AsyncGenerator<ModelPart, Ending> {
  const events = new EventData();
  const filter = new ReasoningFilter();
  let usage: Chunk['usage'];
  let finish: Chunk['finish'];
  let hasEvents = false;
  let hasText = false;
  let isDone = false;
  let isEnded = false;
  while (finish === undefined && !isDone && !isEnded) {
    const bytes = await nextBytes(body, hasEvents);
    isEnded = bytes === undefined;
    for (const data of take(events, bytes)) {
      hasEvents = true;
      if (data === doneMarker) {
        isDone = true;
        break;
      }
      const chunk = parse(data, finish !== undefined);
      usage = chunk?.usage ?? usage;
      if (chunk === undefined || finish !== undefined) continue;
      if (chunk.error !== undefined) throw reportedFailure(chunk.error, hasText);
      const text = chunk.text === '' ? '' : filter.push(chunk.text);
      if (text !== '') {
        hasText = true;
        yield { type: 'text', text };
      } else if (chunk.isReasoning || filter.isThinking) {
        yield { type: 'reasoning' };
      }
      finish = chunk.finish;
    }
  }
  if (finish === undefined)
    throw incomplete(hasEvents ? 'the stream ended without a finish reason' : 'the answer is empty');
  if (finish === 'error') throw reportedFailure({ code: '', type: '', status: undefined }, hasText);
  const rest = filter.end();
  if (rest !== '') yield { type: 'text', text: rest };
  if (!isEnded) usage = (await readTrailing(body, events, connection, isDone)) ?? usage;
  return { usage, finish: { type: 'finish', reason: finish } };
}

async function nextBytes(body: Body, hasEvents: boolean): Promise<Uint8Array | undefined> {
  try {
    const { value, done } = await body.read();
    return done ? undefined : value;
  } catch (cause) {
    if (hasEvents) throw incomplete('the connection was lost in mid-answer', cause);
    throw new ModelError('MODEL_UNAVAILABLE', { transient: true, cause, message: 'the connection was lost' });
  }
}

function take(events: EventData, bytes: Uint8Array | undefined): string[] {
  try {
    return bytes === undefined ? events.end() : events.push(bytes);
  } catch (cause) {
    throw incomplete('the event stream is malformed', cause);
  }
}

/** After the finish reason nothing can spoil the answer any more. */
function parse(data: string, isFinished: boolean): Chunk | undefined {
  try {
    return readChunk(data);
  } catch (cause) {
    if (isFinished) return undefined;
    throw incomplete('a chunk of the answer is malformed', cause);
  }
}

/**
 * Reads the stream to its very end, so that its connection can serve the next request; one that does not end is closed.
 * Resolves with the usage, if any, as soon as the service is done, and never rejects.
 */
function readTrailing(
  body: Body,
  events: EventData,
  connection: AbortController,
  isDone: boolean,
): Promise<Chunk['usage']> {
  const { promise, resolve } = Promise.withResolvers<Chunk['usage']>();
  const timer = setTimeout(() => connection.abort(), trailingMs);
  const readOn = async (): Promise<void> => {
    let usage: Chunk['usage'];
    try {
      if (isDone) resolve(usage);
      for (let bytes = await nextBytes(body, true); bytes !== undefined; bytes = await nextBytes(body, true)) {
        for (const data of take(events, bytes)) {
          usage = parse(data, true)?.usage ?? usage;
          if (data === doneMarker) resolve(usage);
        }
      }
    } catch {
      // The answer is complete: how its connection ends is of no account.
    } finally {
      clearTimeout(timer);
      resolve(usage);
    }
  };
  void readOn();
  return promise;
}

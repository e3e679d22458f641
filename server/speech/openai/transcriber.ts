import { SpeechError, type Transcriber, type TranscriptPart } from '../port.ts';
import { type Answer, type ServiceOptions, speechService } from './ask.ts';
import { eventData } from './events.ts';
import { wavFile } from './wav.ts';

export interface OpenaiTranscriberOptions extends ServiceOptions {
  model: string;
  /** What `system.capabilities` calls it. Default `openai`. */
  name?: string | undefined;
}

/** Of a transcript, with the events around it. */
const mostBytes = 1_048_576;

/** The models that answer while they listen; others take `stream` for an error, or for nothing. */
const streaming = /^gpt-4o(-mini)?-transcribe/;

/** Speech to text behind OpenAI's transcriptions, streamed where the model streams. */
export function openaiTranscriber({ model, name = 'openai', ...options }: OpenaiTranscriberOptions): Transcriber {
  const service = speechService(options, 'STT_UNAVAILABLE');
  return {
    name,
    model,
    transcribe(sound, { language }, signal) {
      const file = wavFile(sound);
      const spoken = language === undefined ? undefined : /^[a-z]{2,3}(?=-|$)/i.exec(language)?.[0].toLowerCase();
      const body = {
        file,
        model,
        response_format: 'json' as const,
        ...(spoken === undefined ? {} : { language: spoken }),
        ...(streaming.test(model) ? { stream: true as const } : {}),
      };
      return service.ask(
        (client, signal) => client.audio.transcriptions.create(body, { signal }).asResponse(),
        read,
        signal,
      );
    },
    close: () => Promise.resolve(),
  };
}

function read(answer: Answer): AsyncGenerator<TranscriptPart, void> {
  if (answer.type === 'text/event-stream') return readEvents(answer.pieces);
  if (answer.type === 'application/json' || answer.type === '') return readJson(answer.pieces);
  throw noTranscript(`the service answers with ${answer.type}`);
}

async function* readJson(pieces: Answer['pieces']): AsyncGenerator<TranscriptPart, void> {
  const whole: Uint8Array[] = [];
  for await (const piece of bounded(pieces)) whole.push(piece);
  const text = textOf(parse(Buffer.concat(whole).toString()), 'text');
  if (text === undefined) throw noTranscript('there is no transcript in the answer');
  yield { type: 'final', text };
}

/** Success is only what the service calls done, however orderly the stream ends. */
async function* readEvents(pieces: Answer['pieces']): AsyncGenerator<TranscriptPart, void> {
  let text = '';
  for await (const data of eventData(bounded(pieces))) {
    if (data === '[DONE]') break;
    const event = parse(data);
    const type = textOf(event, 'type');
    if (type === 'transcript.text.delta') {
      text += textOf(event, 'delta') ?? '';
      yield { type: 'partial', text };
    } else if (type === 'transcript.text.done') {
      // Some services leave the stream open after it: nobody waits for its end.
      yield { type: 'final', text: textOf(event, 'text') ?? text };
      return;
    } else if (type === 'error' || typeof event !== 'object' || event === null || 'error' in event) {
      throw noTranscript('the service reports an error in the transcript');
    }
  }
  throw noTranscript('the transcript broke off');
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw noTranscript('the transcript is malformed', cause);
  }
}

async function* bounded(pieces: Answer['pieces']): Answer['pieces'] {
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > mostBytes) throw noTranscript('the transcript does not end');
    yield piece;
  }
}

function textOf(value: unknown, field: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found: unknown = Reflect.get(value, field);
  return typeof found === 'string' ? found : undefined;
}

function noTranscript(message: string, cause?: unknown): SpeechError {
  return new SpeechError('STT_UNAVAILABLE', { transient: true, message, cause });
}

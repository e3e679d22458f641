import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { event, play, type Script, type Step } from './provider.ts';

/** A request for a transcript or for speech as it came, and how its answer ended. */
export interface SpeechRequest {
  readonly path: string;
  /** Of the form or of the JSON; files are left out. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The file of a form. */
  readonly file: { name: string; type: string; bytes: Uint8Array } | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly ended: Promise<'complete' | 'aborted'>;
  /** The number of the TCP connection it came by, from 1. */
  readonly connection: number;
}

export interface SpeechProvider {
  /** The base URL of an OpenAI-compatible service. */
  readonly url: string;
  readonly requests: readonly SpeechRequest[];
  /** Scripts for the next requests, in order; without one a request is answered by its path, see `byPath`. */
  script(...next: Script[]): void;
  /** The request with this number, from 0, as soon as it has come. */
  request(number: number): Promise<SpeechRequest>;
  close(): Promise<void>;
}

/** A transcript in JSON. */
export function transcript(text: string): Script {
  return { headers: { 'content-type': 'application/json' }, steps: [JSON.stringify({ text })] };
}

/** A streamed transcript in these pieces; `done: false` leaves out what ends it. */
export function streamedTranscript(pieces: readonly (string | Exclude<Step, string>)[], done = true): Script {
  const steps = pieces.map((piece) =>
    typeof piece === 'string' ? event({ type: 'transcript.text.delta', delta: piece }) : piece,
  );
  const text = pieces.filter((piece) => typeof piece === 'string').join('');
  return { steps: done ? [...steps, event({ type: 'transcript.text.done', text })] : steps };
}

/** Samples as the service sends them. */
export function pcm(...steps: Step[]): Script {
  return { headers: { 'content-type': 'audio/pcm' }, steps };
}

/** A second and a half of a tone, as 16-bit samples at 24 kHz. */
export function tone(seconds = 1.5): Uint8Array {
  const samples = Int16Array.from({ length: seconds * 24_000 }, (_, index) => Math.round(6_000 * Math.sin(index / 9)));
  return new Uint8Array(samples.buffer);
}

/**
 * What an unscripted request gets: a transcript is `You said it.`, speech a tone of a fifth of a second a word. A model
 * called `fixed:MS` takes that many milliseconds.
 */
function byPath({ path, fields }: Pick<SpeechRequest, 'path' | 'fields'>): Script {
  const [kind, ms] = String(fields.model).split(':');
  const wait: Step[] = kind === 'fixed' ? [{ pauseMs: Number(ms) }] : [];
  const words = String(fields.input ?? '').split(/\s+/).length;
  const { steps, ...script } = path.endsWith('/speech') ? pcm(tone(words / 5)) : transcript('You said it.');
  return { ...script, steps: [...wait, ...steps] };
}

/**
 * A real HTTP server that speaks OpenAI's audio endpoints and does exactly what its scripts say. `unscripted` answers what has
 * no script.
 */
export async function startSpeechProvider(
  unscripted: (request: SpeechRequest) => Script = byPath,
): Promise<SpeechProvider> {
  const scripts: Script[] = [];
  const requests: SpeechRequest[] = [];
  const waiting: { number: number; resolve: (request: SpeechRequest) => void }[] = [];
  const connections = new WeakMap<object, number>();
  let connected = 0;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { promise: ended, resolve: end } = Promise.withResolvers<'complete' | 'aborted'>();
    const closed = new AbortController();
    response.on('close', () => {
      closed.abort();
      end(response.writableFinished ? 'complete' : 'aborted');
    });
    const path = request.url ?? '';
    const body = await readBody(request);
    const { headers } = request;
    const recorded: SpeechRequest = { path, ...body, headers, ended, connection: connections.get(request.socket) ?? 0 };
    const script = scripts.shift() ?? unscripted(recorded);
    requests.push(recorded);
    for (const { number, resolve } of waiting) if (number < requests.length) resolve(requests[number] ?? recorded);
    await play(script, response, closed.signal);
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => connections.set(socket, ++connected));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the provider has no port');
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    requests,
    script: (...next) => void scripts.push(...next),
    request(number) {
      const come = requests[number];
      if (come !== undefined) return Promise.resolve(come);
      return new Promise((resolve) => waiting.push({ number, resolve }));
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Pick<SpeechRequest, 'fields' | 'file'>> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const type = request.headers['content-type'] ?? '';
  if (!type.startsWith('multipart/')) return { fields: JSON.parse(bytes.toString()), file: undefined };
  const form = await new Response(bytes, { headers: { 'content-type': type } }).formData();
  const sent = form.get('file');
  const file =
    sent instanceof File
      ? { name: sent.name, type: sent.type, bytes: new Uint8Array(await sent.arrayBuffer()) }
      : undefined;
  const fields = Object.fromEntries([...form].filter(([name]) => name !== 'file'));
  return { fields, file };
}

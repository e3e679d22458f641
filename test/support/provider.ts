import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';

/** Holds a script until the test lets it go on. */
export interface Gate {
  readonly released: Promise<void>;
  release(): void;
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { released: promise, release: () => resolve() };
}

/** One thing the provider does while it answers. Bytes and text are written as they are, each in a write of its own. */
export type Step = string | Uint8Array | Gate | { pauseMs: number } | 'reset';

/** One answer to one request: everything that is not in it is not sent. The response ends after the last step. */
export interface Script {
  status?: number;
  headers?: Record<string, string>;
  steps: readonly Step[];
}

/** A request as it came, and how its answer ended: `aborted` when the client closed before the script was through. */
export interface ProviderRequest {
  readonly body: { model: string; messages: { role: string; content: string }[]; [field: string]: unknown };
  readonly headers: IncomingHttpHeaders;
  readonly ended: Promise<'complete' | 'aborted'>;
  /** The number of the TCP connection it came by, from 1. */
  readonly connection: number;
}

export interface Provider {
  /** The base URL of an OpenAI-compatible service. */
  readonly url: string;
  readonly requests: readonly ProviderRequest[];
  /** Scripts for the next requests, in order; without one a request is answered as its model's name says. */
  script(...next: Script[]): void;
  /** The request with this number, from 0, as soon as it has come. */
  request(number: number): Promise<ProviderRequest>;
  close(): Promise<void>;
}

/** The event of one chunk of a streamed completion. */
export function chunk(delta: Record<string, unknown>, finish: string | null = null, rest: object = {}): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return event({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'scripted', choices, ...rest });
}

export function event(data: unknown): string {
  return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

export const text = (content: string): string => chunk({ content });
export const finish = (reason = 'stop'): string => chunk({}, reason);
export const usage = (tokensIn: number, tokensOut: number): string =>
  event({
    object: 'chat.completion.chunk',
    choices: [],
    usage: { prompt_tokens: tokensIn, completion_tokens: tokensOut },
  });
export const done: string = event('[DONE]');

/** A stream of events. Without `finish()` among them it is no complete answer. */
export function stream(...steps: Step[]): Script {
  return { steps };
}

/** A whole answer in these pieces; gates between them hold it. */
export function answer(...pieces: (string | Gate)[]): Script {
  const steps = pieces.map((piece) => (typeof piece === 'string' ? text(piece) : piece));
  return stream(chunk({ role: 'assistant', content: '' }), ...steps, finish(), usage(7, pieces.length), done);
}

/** A refusal as the service words it. */
export function refusal(status: number, headers: Record<string, string> = {}, error: object = {}): Script {
  const body = JSON.stringify({ error: { message: 'scripted refusal', type: 'scripted', code: null, ...error } });
  return { status, headers: { 'content-type': 'application/json', ...headers }, steps: [body] };
}

/**
 * What an unscripted request gets, by its model's name: `echo:N:MS` answers in N pieces (4) MS milliseconds (0) apart,
 * `cut:N` ends in good order after N pieces without a finish reason, `stall:N` says nothing after N pieces,
 * `status:CODE` refuses. Any other name is `echo`. The text is `You said: <last user message>. 1 2 3 …`.
 */
function byName({ model, messages }: ProviderRequest['body']): Script {
  const [kind, first, second] = model.split(':');
  if (kind === 'status') return refusal(Number(first));
  const said = messages.findLast(({ role }) => role === 'user')?.content ?? '';
  const count = Math.max(Number(first ?? 4), 1);
  const pieces = Array.from({ length: count }, (_, index) => (index === 0 ? `You said: ${said}.` : ` ${index}`));
  const pauseMs = kind === 'echo' ? Number(second ?? 0) : 0;
  const steps = pieces.flatMap((piece): Step[] => (pauseMs > 0 ? [{ pauseMs }, text(piece)] : [text(piece)]));
  if (kind === 'cut') return stream(...steps);
  if (kind === 'stall') return stream(...steps, gate());
  return stream(...steps, finish(), usage(said.length, count), done);
}

/** A real HTTP server that speaks OpenAI's streaming chat completions and does exactly what its scripts say. */
export async function startProvider(): Promise<Provider> {
  const scripts: Script[] = [];
  const requests: ProviderRequest[] = [];
  const waiting: { number: number; resolve: (request: ProviderRequest) => void }[] = [];
  const connections = new WeakMap<object, number>();
  let connected = 0;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { promise: ended, resolve: end } = Promise.withResolvers<'complete' | 'aborted'>();
    const closed = new AbortController();
    response.on('close', () => {
      closed.abort();
      end(response.writableFinished ? 'complete' : 'aborted');
    });
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const body: ProviderRequest['body'] = JSON.parse(Buffer.concat(pieces).toString());
    const recorded = { body, headers: request.headers, ended, connection: connections.get(request.socket) ?? 0 };
    const script = scripts.shift() ?? byName(body);
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

/** Sends an answer as its script says, until it is through or the client has closed. */
export async function play(script: Script, response: ServerResponse, closed: AbortSignal): Promise<void> {
  response.writeHead(script.status ?? 200, { 'content-type': 'text/event-stream', ...script.headers });
  response.flushHeaders();
  const left = new Promise<void>((resolve) => closed.addEventListener('abort', () => resolve(), { once: true }));
  for (const step of script.steps) {
    if (closed.aborted) return;
    if (step === 'reset') {
      response.socket?.resetAndDestroy();
      return;
    }
    if (typeof step === 'string' || step instanceof Uint8Array) {
      response.write(step);
      await turn();
    } else if ('pauseMs' in step) {
      await pause(step.pauseMs);
    } else {
      await Promise.race([step.released, left]);
    }
  }
  if (!closed.aborted) response.end();
}

import OpenAI, { APIError } from 'openai';
import { fetchBounded } from '../../openai/fetch-bounded.ts';
import type { Model, ModelPart, ModelRequest } from '../port.ts';
import { incomplete, requestFailure } from './failure.ts';
import { readAnswer } from './read.ts';

export interface OpenaiModelOptions {
  /** None for a service that wants none. */
  apiKey?: string | undefined;
  /** Of any service that speaks the same wire. Default `https://api.openai.com/v1`. */
  baseURL?: string | undefined;
  model: string;
  /** What `system.capabilities` calls it. Default `openai`. */
  name?: string | undefined;
}

/**
 * A model behind OpenAI's chat completions, streamed. The package makes the request; the stream is read here, because
 * the package takes a connection that merely ended for an answer that is complete.
 */
export function openaiModel({ apiKey, baseURL, model, name = 'openai' }: OpenaiModelOptions): Model {
  const client = new OpenAI({
    apiKey: apiKey || 'none',
    baseURL: baseURL || 'https://api.openai.com/v1',
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
    maxRetries: 0,
    logLevel: 'off',
    fetch: fetchBounded,
  });
  let wantsUsage = true;

  function ask(request: ModelRequest, signal: AbortSignal, withUsage: boolean): Promise<Response> {
    const body = {
      model: request.model ?? model,
      messages: [...request.messages],
      stream: true as const,
      ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
      ...(withUsage ? { stream_options: { include_usage: true } } : {}),
    };
    return client.chat.completions.create(body, { signal, headers: { accept: 'text/event-stream' } }).asResponse();
  }

  /** Asks again without the usage where a service does not know that option, and remembers. */
  async function respond(request: ModelRequest, signal: AbortSignal): Promise<Response> {
    try {
      return await ask(request, signal, wantsUsage);
    } catch (error) {
      if (!wantsUsage || !refusesUsage(error)) throw error;
      const response = await ask(request, signal, false);
      wantsUsage = false;
      return response;
    }
  }

  return {
    name,
    model,
    async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart, void> {
      signal.throwIfAborted();
      // Its own, so that an abort after the answer's end leaves the connection to the next answer.
      const connection = new AbortController();
      const onAbort = (): void => connection.abort(signal.reason);
      signal.addEventListener('abort', onAbort);
      let isEnded = false;
      try {
        const response = await respond(request, connection.signal).catch((error: unknown) => {
          throw requestFailure(error);
        });
        const type = response.headers.get('content-type') ?? 'text/event-stream';
        if (!type.toLowerCase().includes('text/event-stream')) throw incomplete('the answer is not an event stream');
        if (response.body === null) throw incomplete('the answer is empty');
        const { usage, finish } = yield* readAnswer(response.body.getReader(), connection);
        isEnded = true;
        signal.removeEventListener('abort', onAbort);
        if (usage !== undefined) yield usage;
        yield finish;
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      } finally {
        signal.removeEventListener('abort', onAbort);
        if (!isEnded) connection.abort();
      }
    },
  };
}

function refusesUsage(error: unknown): boolean {
  return (
    error instanceof APIError &&
    (error.status === 400 || error.status === 422) &&
    /stream_options|include_usage|unrecogni[sz]ed|unknown|unexpected|unsupported|extra|not (?:permitted|allowed)/i.test(
      error.message,
    )
  );
}

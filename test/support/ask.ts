import type { Model, ModelRequest } from '@parley/server/model/port';
import { ModelError } from '@parley/server/model/port';
import { type ReplyOptions, type ReplyPart, reply } from '@parley/server/turn/reply';

export function prompt(content = 'hello', rest: Partial<ModelRequest> = {}): ModelRequest {
  return { messages: [{ role: 'user', content }], locale: 'en', purpose: 'answer', ...rest };
}

/** Everything that came of asking a model: what was given before it ended, and how it ended. */
export interface Asked {
  parts: ReplyPart[];
  text: string;
  finish: string | undefined;
  error: unknown;
  attempts: number;
}

/** Asks with quick retries; `onText` is called for each piece, in time. */
export async function ask(
  model: Model,
  options: ReplyOptions = {},
  signal: AbortSignal = new AbortController().signal,
  onText: (text: string) => void = () => undefined,
): Promise<Asked> {
  const asked: Asked = { parts: [], text: '', finish: undefined, error: undefined, attempts: 0 };
  const onAttempt = (): void => void asked.attempts++;
  try {
    for await (const part of reply(model, prompt(), { backoffMs: 1, onAttempt, ...options }, signal)) {
      asked.parts.push(part);
      if (part.type === 'finish') asked.finish = part.reason;
      if (part.type !== 'text') continue;
      asked.text += part.text;
      onText(part.text);
    }
  } catch (error) {
    asked.error = error;
  }
  return asked;
}

/** What kind of failure it is, for one comparison. */
export function failure(error: unknown): unknown {
  return error instanceof ModelError ? { reason: error.reason, transient: error.transient } : error;
}

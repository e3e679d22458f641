import { pause } from '@parley/shared/pause';
import type { Model, ModelPart, ModelRequest } from '../port.ts';
import { answer, separator } from './answer.ts';
import { greet } from './greet.ts';
import { listen } from './listen.ts';

export interface LocalModelOptions {
  /** How fast it speaks, in pieces a second; 0 is as fast as it is read. Default 65, about 15 ms a piece. */
  tokensPerSecond?: number | undefined;
}

/**
 * An interviewer that needs no network, no key and no weights: it reflects what a person says, asks one open question
 * at a time and remembers what it was told. It follows rules in the tradition of ELIZA (Weizenbaum 1966) and says so.
 * The same conversation always gets the same answer.
 */
export function localModel(options: LocalModelOptions = {}): Model {
  const { tokensPerSecond = 65 } = options;
  const pieceMs = tokensPerSecond > 0 ? 1_000 / tokensPerSecond : 0;
  return {
    name: 'local',
    model: 'reflective-interviewer',
    description: 'A rule-based interviewer that reflects and asks, in English and Chinese. It is not a language model.',
    async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart, void> {
      signal.throwIfAborted();
      const pieces = piecesOf(compose(request));
      for (const text of pieces) {
        if (pieceMs > 0) await pause(pieceMs, signal);
        signal.throwIfAborted();
        yield { type: 'text', text };
      }
      let tokensIn = 0;
      for (const { content } of request.messages) tokensIn += Math.ceil(Buffer.byteLength(content) / 4);
      yield { type: 'usage', tokensIn, tokensOut: pieces.length };
      yield { type: 'finish', reason: 'stop' };
    },
  };
}

function compose(request: ModelRequest): string {
  const heard = listen(request);
  const isGreeting = request.purpose === 'greeting' || (heard.last === '' && heard.spoken === '');
  const text = (isGreeting ? greet(heard) : answer(heard)).join(separator);
  return heard.isFormal ? text.replace(/你(?!们)/g, '您') : text;
}

/** About as much as a language model sends at once: a word with the space before it, or two Chinese characters. */
function piecesOf(text: string): string[] {
  return text.match(/\[SPLIT\]|\p{Script=Han}{1,2}|\s*[^\s\p{Script=Han}[]+|\s*\[|\s+/gu) ?? [];
}

import { once } from 'node:events';
import { newId } from '@parley/shared/id';
import { WebSocket } from 'ws';
import { clock } from './clock.ts';

/** Sound as `voice.sendSegment` takes it, with its bytes in base64. */
export interface Segment {
  format: string;
  sampleRate: number;
  data: string;
}

interface Waiting {
  /** Unknown until a recording has become a turn: there is only one at a time. */
  turnId: string | undefined;
  sentAt: number;
  /** Of this many segments is known what they say. */
  understood?: (segments: number) => void;
  delta: (ms: number) => void;
  audio: (ms: number) => void;
  end: () => void;
  fail: (error: Error) => void;
}

interface Message {
  id?: number;
  error?: unknown;
  result?: { type: string; data?: { json: unknown } };
}

const events = 1;

/** A client of one conversation on a WebSocket of its own, in tRPC's wire: it subscribes and sends turns, one at a time. */
export class ConversationClient {
  readonly id: string;
  readonly #ws: WebSocket;
  readonly #calls = new Map<number, { resolve(data: unknown): void; reject(error: Error): void }>();
  #calling = events;
  #waiting: Waiting | undefined;

  private constructor(ws: WebSocket, id: string) {
    this.#ws = ws;
    this.id = id;
    ws.on('message', (data) => this.#onMessage(String(data)));
    ws.on('close', () => this.#fail(new Error('the server closed a connection')));
  }

  static async open(port: number, token: string, id: string): Promise<ConversationClient> {
    const headers = { authorization: `Bearer ${token}` };
    const ws = new WebSocket(`ws://127.0.0.1:${port}/trpc`, { headers, perMessageDeflate: false });
    await once(ws, 'open');
    const client = new ConversationClient(ws, id);
    await client.#send(events, 'subscription', 'conversations.events', { conversationId: id });
    return client;
  }

  /** Milliseconds from the call to the first delta; `ended` when the turn is over. */
  turn(model: string): { firstDelta: Promise<number>; ended: Promise<void> } {
    const firstDelta = Promise.withResolvers<number>();
    const ended = Promise.withResolvers<void>();
    const turnId = newId();
    const fail = (error: Error): void => {
      firstDelta.reject(error);
      ended.reject(error);
    };
    const { resolve: end } = ended;
    this.#waiting = { turnId, sentAt: clock(), delta: firstDelta.resolve, audio: () => {}, end, fail };
    const parts = [{ type: 'text', text: 'Where did you grow up, and whom do you remember from there?' }];
    this.call('mutation', 'turns.send', { conversationId: this.id, turnId, parts, model }).catch(fail);
    // Whoever waits for one of them only must not be told of the other's failure too.
    ended.promise.catch(() => {});
    firstDelta.promise.catch(() => {});
    return { firstDelta: firstDelta.promise, ended: ended.promise };
  }

  /**
   * Speaks: the segments come one after the other while the user speaks, the last one when the speech has ended. Resolves with
   * the milliseconds from then to the first sound of the answer, when the turn is over.
   */
  async speak(segments: readonly Segment[]): Promise<number> {
    const voiceSessionId = newId();
    const understood = Promise.withResolvers<void>();
    const audio = Promise.withResolvers<number>();
    const ended = Promise.withResolvers<void>();
    const all = [understood, audio, ended];
    for (const { promise } of all) promise.catch(() => {});
    const waiting: Waiting = {
      turnId: undefined,
      sentAt: clock(),
      understood: (count) => count >= segments.length - 1 && understood.resolve(),
      delta: () => {},
      audio: audio.resolve,
      end: ended.resolve,
      fail: (error) => {
        for (const { reject } of all) reject(error);
      },
    };
    this.#waiting = waiting;
    const send = (segment: Segment, index: number): Promise<unknown> => {
      const isLast = index === segments.length - 1;
      return this.call('mutation', 'voice.sendSegment', {
        ...segment,
        conversationId: this.id,
        voiceSessionId,
        index,
        isLast,
      });
    };
    for (const [index, segment] of segments.slice(0, -1).entries()) await send(segment, index);
    if (segments.length > 1) await understood.promise;
    const last = segments.at(-1);
    if (!last) throw new Error('nothing to say');
    waiting.sentAt = clock();
    await send(last, segments.length - 1);
    await ended.promise;
    return await audio.promise;
  }

  close(): void {
    this.#ws.close();
  }

  call(method: 'query' | 'mutation', path: string, input: unknown): Promise<unknown> {
    return this.#send(++this.#calling, method, path, input);
  }

  #send(id: number, method: string, path: string, input: unknown): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#calls.set(id, { resolve, reject });
    this.#ws.send(JSON.stringify({ id, method, params: { path, input: { json: input } } }));
    return promise;
  }

  #onMessage(text: string): void {
    if (text === 'PING') {
      this.#ws.send('PONG');
      return;
    }
    const at = this.#waiting ? clock() : 0;
    const message: Message = JSON.parse(text);
    const call = this.#calls.get(message.id ?? 0);
    this.#calls.delete(message.id ?? 0);
    if (message.error) {
      const error = new Error(text);
      call?.reject(error);
      this.#fail(error);
    } else if (call) call.resolve(message.result?.data?.json);
    else if (message.id === events) this.#onEvent(text, at);
  }

  #onEvent(text: string, at: number): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    const understood = text.includes('"type":"transcript.partial"') && /"segments":\[([\d,]+)\]/.exec(text)?.[1];
    if (understood) waiting.understood?.(understood.split(',').length);
    if (waiting.turnId !== undefined && !text.includes(`"turnId":"${waiting.turnId}"`)) return;
    if (text.includes('"type":"agent.delta"')) waiting.delta(at - waiting.sentAt);
    if (text.includes('"type":"agent.audio"')) waiting.audio(at - waiting.sentAt);
    if (/"type":"turn\.(failed|interrupted)"/.test(text)) waiting.fail(new Error(text));
    if (text.includes('"type":"turn.completed"')) waiting.end();
  }

  #fail(error: Error): void {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    this.#waiting?.fail(error);
  }
}

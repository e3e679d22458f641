import type { Parley } from '../connect.ts';
import { failureOf, type ParleyFailure } from '../failure.ts';
import { SegmentQueue } from '../recorder/queue.ts';
import { createRecorder, type Recorder } from '../recorder/recorder.ts';
import { voiceCalls } from '../recorder/send.ts';
import { type PcmSource, pcmSource } from '../recorder/source.ts';

/** Sound before the moment at which speech was recognised as such, which belongs to its first word. */
const beforeMs = 300;
/** Milliseconds of a segment: short, so that a transcript comes while somebody speaks. */
const segmentMs = 2_000;

/** What somebody says, one utterance after the other, each a recording that is sent while it is said. */
export class Utterances {
  readonly #conversationId: string;
  readonly #sampleRate: number;
  readonly #queue: SegmentQueue;
  readonly #onSent: (turnId: string) => void;
  readonly #onFailed: (failure: ParleyFailure) => void;
  readonly #sending = new Set<Promise<void>>();
  #before: Int16Array[] = [];
  #current: { recorder: Recorder; source: PcmSource } | undefined;
  count = 0;

  /** `onSent`: the server has all of an utterance, and it becomes this turn. */
  constructor(
    parley: Parley,
    conversationId: string,
    sampleRate: number,
    tell: { onSent: (turnId: string) => void; onFailed: (failure: ParleyFailure) => void },
  ) {
    this.#conversationId = conversationId;
    this.#sampleRate = sampleRate;
    this.#queue = new SegmentQueue({ voice: voiceCalls(parley) });
    this.#onSent = tell.onSent;
    this.#onFailed = tell.onFailed;
  }

  /** Whether anything is being said, or on its way. */
  get isBusy(): boolean {
    return this.#current !== undefined || this.#sending.size > 0;
  }

  /** A frame of sound: of the utterance, if one goes on. */
  push(frame: Int16Array): void {
    if (this.#current) {
      this.#current.source.push(frame);
      return;
    }
    this.#before.push(frame);
    const most = Math.ceil((beforeMs / 1000) * this.#sampleRate);
    let length = this.#before.reduce((sum, { length }) => sum + length, 0);
    while (length > most) length -= this.#before.shift()?.length ?? length;
  }

  /** Somebody begins to speak. */
  async begin(): Promise<void> {
    if (this.#current) return;
    const source = pcmSource({ sampleRate: this.#sampleRate });
    const recorder = createRecorder({
      conversationId: this.#conversationId,
      source,
      queue: this.#queue,
      segmentMs,
      onEvent: (event) => {
        // As long as it may be: it is sent, and what is still said is another one.
        if (event.type === 'ended') void this.end();
      },
    });
    const current = { recorder, source };
    this.#current = current;
    this.count++;
    await recorder.start();
    for (const frame of this.#before.splice(0)) source.push(frame);
  }

  /** They have ended. Resolves when the server has all of it, or will not have it. */
  async end(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (!current) return;
    const sent = current.recorder.stop().then(
      ({ turnId }) => this.#onSent(turnId),
      (error: unknown) => this.#onFailed(failureOf(error)),
    );
    this.#sending.add(sent);
    await sent;
    this.#sending.delete(sent);
  }

  /** Resolves when all that was said is with the server. */
  async settled(): Promise<void> {
    await Promise.all(this.#sending);
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }
}

import type { TurnRow } from '@parley/db/repository/turn';
import type { Event } from '@parley/shared/event';
import { BubbleSplitter, type Piece } from './bubble.ts';
import type { Recorder } from './recorder.ts';
import { type Sentence, SentenceSplitter } from './sentence.ts';
import type { Speaker } from './speak.ts';
import type { Timing } from './timing.ts';

/** Cuts what the model says into bubbles and sentences and hands them to the recorder. */
export class Utterance {
  readonly #turn: TurnRow;
  readonly #recorder: Recorder;
  readonly #timing: Timing;
  readonly #bubbles: BubbleSplitter;
  readonly #sentences: SentenceSplitter;
  readonly #speaker: Speaker | undefined;
  spoke = false;

  constructor(
    turn: TurnRow,
    recorder: Recorder,
    timing: Timing,
    mode: 'separator' | 'paragraph' | 'none',
    locale: string,
    speaker: Speaker | undefined,
  ) {
    this.#speaker = speaker;
    this.#turn = turn;
    this.#recorder = recorder;
    this.#timing = timing;
    this.#bubbles = new BubbleSplitter(mode);
    this.#sentences = new SentenceSplitter({ locale });
  }

  /** A promise when the recorder wants its producer to wait. */
  say(text: string): Promise<void> | undefined {
    return this.#push(this.#bubbles.push(text), false);
  }

  end(): void {
    this.#push(this.#bubbles.end(), true);
  }

  #push(pieces: readonly Piece[], ended: boolean): Promise<void> | undefined {
    const base = { conversationId: this.#turn.conversation_id, turnId: this.#turn.id, at: Date.now() };
    const events: Event[] = [];
    const sentences: Sentence[] = [];
    for (const piece of pieces) {
      this.spoke = true;
      this.#timing.delta();
      events.push({ type: 'agent.delta', ...base, text: piece.text, bubble: piece.bubble });
      sentences.push(...this.#sentences.push(piece));
    }
    if (ended) sentences.push(...this.#sentences.end());
    if (sentences.length > 0) this.#timing.sentence();
    for (const sentence of sentences) events.push({ type: 'agent.text', ...base, ...sentence });
    const pushed = events.length > 0 ? this.#recorder.push(events) : undefined;
    // Behind their text, so that no sound comes before it.
    for (const sentence of sentences) this.#speaker?.say(sentence);
    return pushed;
  }
}

import type { Event } from '@parley/shared/event';
import type { Reason } from '@parley/shared/reason';
import { SpeechError, type Synthesizer } from '../speech/port.ts';
import type { SpokenSentence } from './heard.ts';
import { noAnswer, Patience } from './patience.ts';
import { speakable } from './speakable.ts';
import type { TurnTrace } from './trace.ts';

/** Sentences that are synthesised at once. */
const ahead = 3;
/** Bytes that may wait behind the sentence which is being sent. */
const mostBuffered = 2 * 1024 * 1024;
/**
 * Bytes of one event: half a second at 24 kHz, so that playing can start and stop quickly. The last one of a sentence is up to
 * twice as long: what is around an event is some 400 bytes, which are not to cost more than 3 in a hundred.
 */
const chunkBytes = 24 * 1024;
/** Of an answer's first sound this much goes out at once, without waiting for more: a tenth of a second. */
const firstBytes = 4 * 1024;
/** Sentences that may wait to be spoken; text never waits for speech. */
const mostWaiting = 2_000;
const sentenceMs = 60_000;

export interface SpeakerOptions {
  synthesizer: Synthesizer;
  voice: string | undefined;
  language: string | undefined;
  turn: { conversationId: string; turnId: string };
  /** Stops everything at once. */
  signal: AbortSignal;
  /** Appends events; a promise when the caller should wait. */
  push(events: readonly Event[]): Promise<void> | undefined;
  onAudio(): void;
  /** Told of each sentence's synthesis. */
  trace?: Pick<TurnTrace, 'start'>;
  /** Keeps the sound, for whoever wants it as a file. */
  keep: boolean;
}

/** The sound of one sentence on its way. */
interface Job {
  sentence: number;
  /** What is read aloud; empty for what is only for the eye. */
  aloud: string;
  pieces: Uint8Array[];
  state: 'waiting' | 'running' | 'done' | 'failed';
  reason: Reason;
  wake: () => void;
}

/**
 * Speaks an answer while it is still being written: sentences are synthesised ahead of need, at most three at once, and sent
 * strictly in order. A sentence that fails is told of and the rest goes on; one with nothing to say is an empty last chunk, so
 * that numbers have no holes. When patience with the service is over, all that remains fails at once.
 */
export class Speaker {
  readonly sentences: SpokenSentence[] = [];
  readonly #options: SpeakerOptions;
  readonly #jobs: Job[] = [];
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #patience = new Patience();
  readonly #kept: Uint8Array[] = [];
  #running = 0;
  #next = 0;
  #sending = 0;
  #buffered = 0;
  #room: (() => void)[] = [];
  #ended = false;
  #isHeard = false;
  #wakeSender: () => void = () => undefined;
  #sent: Promise<void> | undefined;
  #startedAt: number | undefined;
  #tts = 0;
  #characters = 0;

  readonly #wakeAll = (): void => {
    this.#makeRoom();
    this.#wakeSender();
    for (const job of this.#jobs) job.wake();
  };

  constructor(options: SpeakerOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#signal.addEventListener('abort', this.#wakeAll, { once: true });
  }

  /** Characters that were given to the synthesizer. */
  get characters(): number {
    return this.#characters;
  }

  /** Milliseconds from the first sentence that was given to the synthesizer to the last sound that came from it. */
  get ttsMs(): number | undefined {
    return this.#startedAt === undefined ? undefined : this.#tts;
  }

  /** All the sound so far, when it is kept. */
  get sound(): readonly Uint8Array[] {
    return this.#kept;
  }

  say(sentence: { sentence: number; bubble: number; text: string; code?: true | undefined }): void {
    const { sentence: number, bubble, text } = sentence;
    this.sentences.push({ sentence: number, bubble, text, ms: 0 });
    if (this.#signal.aborted || this.#jobs.length >= mostWaiting) return;
    this.#jobs.push({
      sentence: sentence.sentence,
      aloud: sentence.code ? '' : speakable(sentence.text).trim(),
      pieces: [],
      state: 'waiting',
      reason: 'TTS_UNAVAILABLE',
      wake: () => undefined,
    });
    this.#fill();
    this.#sent ??= this.#send();
    this.#wakeSender();
  }

  /** No more sentences: resolves when all sound has been handed on, or speaking was stopped. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#wakeSender();
    this.#patience.whole();
    try {
      await this.#sent;
    } finally {
      this.#patience.close();
      // A signal that combines others is kept for as long as somebody listens to it.
      this.#signal.removeEventListener('abort', this.#wakeAll);
    }
  }

  /** Speaking stops at once and for good, also when it has not begun; text goes on. True the first time. */
  silence(): boolean {
    if (this.#stop.signal.aborted) return false;
    this.#stop.abort();
    return true;
  }

  #fill(): void {
    const isOver = this.#patience.signal.aborted;
    while ((this.#running < ahead || isOver) && this.#next < this.#jobs.length) {
      const job = this.#jobs[this.#next++];
      if (!job) return;
      if (job.aloud === '' || isOver) {
        job.state = job.aloud === '' ? 'done' : 'failed';
        job.wake();
        continue;
      }
      this.#running++;
      void this.#synthesise(job).finally(() => {
        this.#running--;
        job.wake();
        if (!this.#signal.aborted) this.#fill();
      });
    }
  }

  async #synthesise(job: Job): Promise<void> {
    const { synthesizer, voice, language } = this.#options;
    job.state = 'running';
    let bytes = 0;
    const step = this.#options.trace?.start('text to speech', {
      'parley.provider': `${synthesizer.name}/${synthesizer.model}`,
      'parley.sentence': job.sentence,
      'parley.characters': job.aloud.length,
    });
    this.#characters += job.aloud.length;
    this.#startedAt ??= performance.now();
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(noAnswer()), sentenceMs);
    try {
      const pieces = synthesizer.synthesize(
        job.aloud,
        { voice, language },
        AbortSignal.any([this.#signal, this.#patience.signal, late.signal]),
      );
      for await (const piece of pieces) {
        if (piece.length === 0) continue;
        while (this.#buffered > mostBuffered && this.#jobs[this.#sending] !== job && !this.#signal.aborted)
          await new Promise<void>((resolve) => this.#room.push(resolve));
        if (this.#signal.aborted) return;
        if (bytes === 0) step?.event('first audio');
        this.#patience.heard();
        bytes += piece.length;
        job.pieces.push(piece);
        this.#buffered += piece.length;
        this.#tts = performance.now() - (this.#startedAt ?? 0);
        job.wake();
      }
      job.state = 'done';
    } catch (error) {
      job.state = 'failed';
      if (error instanceof SpeechError) job.reason = error.reason;
      if (bytes === 0) this.#patience.silent(error);
      step?.end({ 'parley.audio.bytes': bytes }, this.#signal.aborted ? 'Stopped' : job.reason);
    } finally {
      clearTimeout(timer);
      step?.end({ 'parley.audio.bytes': bytes });
    }
  }

  async #send(): Promise<void> {
    for (;;) {
      const job = this.#jobs[this.#sending];
      if (this.#signal.aborted) return;
      if (job) {
        await this.#sendJob(job);
        this.#sending++;
        this.#makeRoom();
      } else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wakeSender = resolve;
        });
    }
  }

  /** What may be the sentence's end is held back until that is known; the first sound of an answer is not. */
  async #sendJob(job: Job): Promise<void> {
    let chunk = 0;
    let held: Uint8Array = new Uint8Array();
    for (;;) {
      if (this.#signal.aborted) return;
      const piece = job.pieces.shift();
      if (piece) {
        this.#buffered -= piece.length;
        this.#makeRoom();
        held = held.length === 0 ? piece : Buffer.concat([held, piece]);
        for (; held.length >= 2 * chunkBytes; held = held.subarray(chunkBytes)) {
          await this.#audio(job, chunk++, held.subarray(0, chunkBytes), false);
          if (this.#signal.aborted) return;
        }
      } else if (job.state === 'done') {
        await this.#audio(job, chunk, held, true);
        return;
      } else if (job.state === 'failed') {
        if (held.length > 0 || chunk > 0) await this.#audio(job, chunk, held, true);
        await this.#push({ type: 'agent.audioFailed', sentence: job.sentence, reason: job.reason });
        return;
      } else if (!this.#isHeard && held.length >= firstBytes) {
        await this.#audio(job, chunk++, held, false);
        held = new Uint8Array();
      } else {
        await new Promise<void>((resolve) => {
          job.wake = resolve;
        });
      }
    }
  }

  async #audio(job: Job, chunk: number, data: Uint8Array, last: boolean): Promise<void> {
    const { sampleRate } = this.#options.synthesizer;
    if (data.length > 0) this.#options.onAudio();
    this.#isHeard ||= data.length > 0;
    if (this.#options.keep) this.#kept.push(data);
    const spoken = this.sentences[this.#sending];
    if (spoken) spoken.ms += (data.length / 2 / sampleRate) * 1000;
    this.#patience.moved();
    await this.#push({
      type: 'agent.audio',
      sentence: job.sentence,
      chunk,
      format: 'pcm_s16le',
      sampleRate,
      data,
      last,
    });
  }

  async #push(event: SpeechEvent): Promise<void> {
    await this.#options.push([{ ...this.#options.turn, at: Date.now(), ...event }]);
  }

  #makeRoom(): void {
    const waiting = this.#room;
    this.#room = [];
    for (const resolve of waiting) resolve();
  }
}

type Bare<Type extends Event['type']> = Omit<Extract<Event, { type: Type }>, 'conversationId' | 'turnId' | 'at'>;
type SpeechEvent = Bare<'agent.audio'> | Bare<'agent.audioFailed'>;

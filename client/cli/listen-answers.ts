import { writeFile } from 'node:fs/promises';
import type { Event, EventOf, Tracked } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import type { Parley } from '../connect.ts';
import { createPlayer, type Player } from '../player/player.ts';
import type { Position } from '../player/report.ts';
import { note } from './command.ts';
import { json } from './json.ts';
import { findOutput } from './listen-output.ts';
import { latencies, waterfall } from './say-timing.ts';
import { Screen } from './screen.ts';
import { wavOf } from './wav.ts';

export interface AnswerOptions {
  out: string | undefined;
  json: boolean;
  timing: boolean;
  /** Whether answers may be played. */
  plays: boolean;
  /** Whether somebody looks at the output, and wants to see what is understood while they speak. */
  isWatched: boolean;
}

/** Bytes of the answers' sound that are kept to be written: more than an hour. */
const mostSound = 200 * 1024 * 1024;
/** Ended turns that are remembered, for those whose recording is acknowledged after that. */
const mostEnded = 100;

/** What comes of what was said: transcripts and answers on the screen as they come, sound on the loudspeaker or in a file. */
export class Answers {
  readonly #options: AnswerOptions;
  readonly #screen = new Screen();
  readonly #output: ReturnType<typeof findOutput>;
  readonly #player: Player | undefined;
  readonly #expected = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #looks = new Set<() => void>();
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #sampleRate: number | undefined;
  #isLineOpen = false;
  /** When something last came. */
  #heardAt = performance.now();
  /** The turn that is being answered. */
  running: string | undefined;
  completed = 0;
  /** Turns that failed for another reason than that nobody spoke. */
  failed = 0;

  constructor(parley: Parley, options: AnswerOptions) {
    this.#options = options;
    this.#output = options.plays ? findOutput() : undefined;
    this.#player =
      this.#output &&
      createPlayer({
        output: this.#output,
        report: ({ turnId, sentence, playedMs }, signal) =>
          parley.trpc.turns.reportPlayback.mutate({ turnId, sentence, playedMs }, { signal }),
      });
  }

  /** A turn is to come of what was said. */
  expect(turnId: string): void {
    if (!this.#ended.has(turnId)) this.#expected.add(turnId);
  }

  /** Whether an answer is being given, or its sound played. */
  get isSpeaking(): boolean {
    return this.running !== undefined || this.#player?.position !== undefined;
  }

  take({ data }: Tracked): void {
    this.#heardAt = performance.now();
    if (data.type === 'agent.audio') this.#keep(data);
    void this.#player?.push(data);
    if (data.type === 'turn.started') this.running = data.turnId;
    else if (isTerminal(data)) this.#end(data);
    if (this.#options.json) process.stdout.write(`${json(data)}\n`);
    else this.#show(data);
    for (const look of [...this.#looks]) look();
  }

  /** Silence at once; how far the listener got, when it was being played. */
  hush(): Position | undefined {
    return this.#player?.stop();
  }

  /** Resolves when all turns that are expected have ended, with true; with false after this much silence. */
  async settled(silentMs: number): Promise<boolean> {
    while (this.#expected.size > 0) {
      const leftMs = this.#heardAt + silentMs - performance.now();
      if (leftMs <= 0) return false;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          clearTimeout(timer);
          this.#looks.delete(go);
          resolve();
        };
        const timer = setTimeout(go, leftMs);
        this.#looks.add(go);
      });
    }
    return true;
  }

  /** What is still to be heard is heard, and what was heard written. */
  async finish(signal: AbortSignal): Promise<void> {
    if (this.#isLineOpen) process.stdout.write('\n');
    if (this.#player && !signal.aborted) {
      const left = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([this.#player.idle(), left]);
    }
    this.#player?.close();
    this.#output?.close();
    const { out } = this.#options;
    if (out === undefined) return;
    if (this.#sampleRate === undefined) note(`there was nothing to hear: ${out} is not written`);
    else {
      await writeFile(out, wavOf(this.#pieces, this.#sampleRate));
      note(`${out}: ${(this.#bytes / 2 / this.#sampleRate).toFixed(1)} s of speech`);
    }
  }

  #end(event: Event & { turnId: string }): void {
    if (this.running === event.turnId) this.running = undefined;
    if (event.type === 'turn.completed') this.completed++;
    else if (event.type === 'turn.failed' && event.code !== 'NO_SPEECH') this.failed++;
    this.#expected.delete(event.turnId);
    this.#ended.add(event.turnId);
    const oldest = this.#ended.keys().next();
    if (this.#ended.size > mostEnded && !oldest.done) this.#ended.delete(oldest.value);
  }

  #keep({ data, sampleRate }: EventOf<'agent.audio'>): void {
    if (this.#options.out === undefined || data.length === 0 || this.#bytes + data.length > mostSound) return;
    this.#sampleRate ??= sampleRate;
    this.#pieces.push(data);
    this.#bytes += data.length;
  }

  #show(event: Event): void {
    if (event.type === 'transcript.partial' && this.#options.isWatched && !this.#isLineOpen)
      note(`…      ${event.text}`);
    if (event.type === 'agent.audioFailed') note(`⚠ a sentence could not be spoken (${event.reason})`);
    const text = this.#screen.show(event);
    if (text !== '') {
      this.#isLineOpen = !text.endsWith('\n');
      process.stdout.write(text);
    }
    if (event.type === 'turn.metrics' && this.#options.timing) {
      if (this.#isLineOpen) process.stdout.write('\n');
      this.#isLineOpen = false;
      process.stdout.write(`${waterfall(event)}\n${latencies(event, undefined)}\n`);
    }
  }
}

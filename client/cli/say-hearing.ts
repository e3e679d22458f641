import { writeFile } from 'node:fs/promises';
import type { Event, EventOf } from '@parley/shared/event';
import { ParleyFailure } from '../failure.ts';
import { CommandFailure, note, print } from './command.ts';
import { json } from './json.ts';
import { findPlayer } from './say-player.ts';
import { latencies, waterfall } from './say-timing.ts';
import { Screen } from './screen.ts';
import { wavOf } from './wav.ts';

/** Bytes of an answer's sound that are kept to be written or played: more than an hour. */
const mostSound = 200 * 1024 * 1024;

export interface HearingOptions {
  /** Where the spoken answer is written. */
  out?: string | undefined;
  json?: boolean | undefined;
  timing?: boolean | undefined;
  speak: boolean;
}

/** What becomes of a turn's events: text on the screen as it comes, sound in a file or on the loudspeaker, times. */
export class Hearing {
  readonly #options: HearingOptions;
  readonly #isTerminal = process.stdout.isTTY === true;
  readonly #player: ReturnType<typeof findPlayer>;
  readonly #screen = new Screen();
  readonly #from = performance.now();
  #isLineOpen = false;
  #firstSoundMs: number | undefined;
  #sampleRate: number | undefined;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #metrics: EventOf<'turn.metrics'> | undefined;
  #failure: EventOf<'turn.failed'> | undefined;

  constructor(options: HearingOptions) {
    this.#options = options;
    const plays = options.speak && options.out === undefined && this.#isTerminal && !options.json;
    this.#player = plays ? findPlayer() : undefined;
  }

  async take(event: Event): Promise<void> {
    if (event.type === 'agent.audio') this.#hear(event);
    else if (event.type === 'turn.metrics') this.#metrics = event;
    else if (event.type === 'turn.failed') this.#failure = event;
    if (this.#options.json) await print(`${json(event)}\n`);
    else await this.#show(event);
  }

  /** After the turn's end. @throws ParleyFailure when the turn failed */
  async finish(signal: AbortSignal): Promise<void> {
    const { json, timing, out, speak } = this.#options;
    if (this.#isLineOpen) await print('\n');
    if (this.#failure) {
      const { code, message, retryable } = this.#failure;
      throw new ParleyFailure(code, message, { retryable });
    }
    if (this.#metrics && !json)
      await print(
        `\n${timing ? `${waterfall(this.#metrics)}\n` : ''}${latencies(this.#metrics, this.#firstSoundMs)}\n`,
      );
    if (out !== undefined) await this.#write(out);
    else if (this.#player && this.#bytes > 0) await this.#play(signal);
    else if (speak && !json && this.#firstSoundMs !== undefined)
      note('the answer was spoken too: --out answer.wav keeps it');
  }

  #hear({ data, sampleRate }: EventOf<'agent.audio'>): void {
    if (data.length === 0) return;
    this.#firstSoundMs ??= performance.now() - this.#from;
    this.#sampleRate ??= sampleRate;
    if (this.#options.out === undefined && !this.#player) return;
    if (this.#bytes + data.length > mostSound) return;
    this.#pieces.push(data);
    this.#bytes += data.length;
  }

  async #show(event: Event): Promise<void> {
    // Said at the end, in one line.
    if (event.type === 'turn.failed') return;
    if (event.type === 'transcript.partial' && this.#isTerminal) note(`…      ${event.text}`);
    if (event.type === 'agent.audioFailed') note(`⚠ a sentence could not be spoken (${event.reason})`);
    const text = this.#screen.show(event);
    if (text === '') return;
    this.#isLineOpen = !text.endsWith('\n');
    await print(text);
  }

  async #write(out: string): Promise<void> {
    if (this.#sampleRate === undefined) throw new CommandFailure(`there was nothing to hear: ${out} is not written`);
    await writeFile(out, wavOf(this.#pieces, this.#sampleRate));
    note(`${out}: ${(this.#bytes / 2 / this.#sampleRate).toFixed(1)} s of speech`);
  }

  async #play(signal: AbortSignal): Promise<void> {
    if (this.#sampleRate === undefined || signal.aborted) return;
    const isPlayed = await this.#player?.play(wavOf(this.#pieces, this.#sampleRate), signal);
    if (!isPlayed) note('the answer could not be played: --out answer.wav keeps it');
  }
}

import type { AudioOutput } from './output.ts';
import type { Position } from './report.ts';
import type { Sound } from './sound.ts';

/** A piece of sound that the output has. */
export interface Scheduled extends Sound {
  readonly startMs: number;
  hasStarted: boolean;
}

/** The sound that is left to play: what waits, and what the output has been given a little ahead of time. */
export class Schedule {
  readonly #output: AudioOutput;
  readonly #aheadMs: number;
  readonly #leadMs: number;
  #waiting: Sound[] = [];
  #given: Scheduled[] = [];
  /** When the last of what was given ends. */
  #endMs = Number.NEGATIVE_INFINITY;
  #bytes = 0;

  constructor(output: AudioOutput, { aheadMs, leadMs }: { aheadMs: number; leadMs: number }) {
    this.#output = output;
    this.#aheadMs = aheadMs;
    this.#leadMs = leadMs;
  }

  /** Of the sound that waits. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#given.length === 0 && this.#waiting.length === 0;
  }

  /** The piece that is being played, or is next. */
  get first(): Scheduled | undefined {
    return this.#given[0];
  }

  /** The turns of which something is left. */
  get turns(): Set<string> {
    return new Set([...this.#given, ...this.#waiting].map(({ turnId }) => turnId));
  }

  /** When there will be something to give; never while nothing waits. */
  get feedMs(): number {
    return this.#waiting.length > 0 ? this.#endMs - this.#aheadMs : Number.POSITIVE_INFINITY;
  }

  add(sound: Sound): void {
    this.#waiting.push(sound);
    this.#bytes += sound.samples.byteLength;
  }

  /** The first piece was played to its end. */
  shift(): void {
    this.#given.shift();
  }

  /** Where the piece that is audible has come to. */
  position(now: number): Position | undefined {
    const current = this.#given.findLast(({ startMs }) => startMs <= now);
    return current && positionIn(current, now);
  }

  /** Gives the output what it should have by now. */
  feed(now: number): void {
    for (let sound = this.#waiting[0]; sound && this.#endMs - now < this.#aheadMs; sound = this.#waiting[0]) {
      this.#waiting.shift();
      this.#bytes -= sound.samples.byteLength;
      // After a silence the output gets a moment; else it goes on where the last piece ends.
      const startMs = this.#endMs > now ? this.#endMs : now + this.#leadMs;
      if (sound.samples.length > 0) this.#output.play(sound.samples, sound.sampleRate, startMs);
      this.#given.push({ ...sound, startMs, hasStarted: false });
      this.#endMs = startMs + sound.durationMs;
    }
  }

  /** Drops these turns, at once also what the output has of them. What it has of others is given to it again. */
  drop(turns: ReadonlySet<string>): void {
    if (this.#given.some(({ turnId }) => turns.has(turnId))) this.#takeBack(this.#output.now());
    this.#waiting = this.#waiting.filter(({ turnId }) => !turns.has(turnId));
    this.#bytes = this.#waiting.reduce((sum, { samples }) => sum + samples.byteLength, 0);
  }

  /** Silence: what was not played waits again, the rest of a piece that was being played too. */
  #takeBack(now: number): void {
    this.#output.stop();
    this.#waiting.unshift(...this.#given.map((sound) => (sound.startMs > now ? sound : restOf(sound, now))));
    this.#given = [];
    this.#endMs = Number.NEGATIVE_INFINITY;
  }
}

export function positionIn({ turnId, sentence, startMs, offsetMs, durationMs }: Scheduled, now: number): Position {
  return { turnId, sentence, playedMs: offsetMs + Math.min(durationMs, Math.max(0, now - startMs)) };
}

function restOf(sound: Scheduled, now: number): Sound {
  const played = Math.round(((now - sound.startMs) / 1000) * sound.sampleRate);
  const samples = sound.samples.subarray(played);
  const playedMs = sound.durationMs - (samples.length / sound.sampleRate) * 1000;
  return { ...sound, samples, offsetMs: sound.offsetMs + playedMs, durationMs: sound.durationMs - playedMs };
}

import type { Event, EventOf } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import type { AudioOutput } from './output.ts';
import { type PlaybackReport, type Position, Reporter } from './report.ts';
import { positionIn, Schedule, type Scheduled } from './schedule.ts';
import { type Refusal, SoundReader } from './sound.ts';

export type PlayerEvent =
  /** A sentence begins to be heard. */
  | { type: 'sentence'; turnId: string; sentence: number }
  /** All sound of a turn that has ended was played. */
  | { type: 'ended'; turnId: string }
  /** Playing was stopped there. */
  | { type: 'stopped'; turnId: string; heard: Position | undefined }
  /** A piece of sound is not played. */
  | { type: 'dropped'; turnId: string; sentence: number; chunk: number; why: Refusal }
  /** The speech of a sentence failed, so that it is passed over. */
  | { type: 'failed'; turnId: string; sentence: number };

export interface PlayerOptions {
  output: AudioOutput;
  /** Tells the server what has been heard: `(heard, signal) => parley.trpc.turns.reportPlayback.mutate(heard, { signal })`. */
  report?: PlaybackReport;
  onEvent?: (event: PlayerEvent) => void;
  /** Milliseconds of sound that are given to the output ahead of time; 500 by default. */
  aheadMs?: number;
  /** Milliseconds until the first sound after a silence, for the output to be ready; 20 by default. */
  leadMs?: number;
  /** Bytes of sound that may wait, as 32-bit samples; 32 MB by default, about eight minutes at 16 kHz. */
  mostBytes?: number;
}

export interface Player {
  /**
   * Takes an event of a conversation, in the log's order; all but those about sound are passed over. A promise when enough
   * waits: it resolves when there is room again. What is pushed regardless is dropped when twice as much waits.
   */
  push(event: Event): void | Promise<void>;
  /**
   * Silence at once, and for all that still comes of the turns which were playing or waiting. What has been heard of the
   * turn that was being played, for `turns.interrupt`; undefined when none was.
   */
  stop(): Position | undefined;
  /** What is being heard right now, or was last of a turn whose sound has not all come. */
  readonly position: Position | undefined;
  /** Resolves when nothing is left to play. */
  idle(): Promise<void>;
  /** Stops, and ends reporting. */
  close(): void;
}

/** Milliseconds between reports while a sentence goes on, and between looks at the output's clock. */
const reportMs = 1_000;
const look = { least: 10, most: 250 };

/** Turns of which the end is waited for: more there are only when nobody tells of their ends. */
const mostTurns = 64;

/** Plays spoken answers in order and without gaps, and knows what of them has been heard. */
export function createPlayer(options: PlayerOptions): Player {
  return new SpeechPlayer(options);
}

/** Transpiled for a phone, a `#` member costs some ninety bytes and a `private` one none: the bundle is to stay small. */
class SpeechPlayer implements Player {
  private readonly output: AudioOutput;
  private readonly mostBytes: number;
  private readonly reporter: Reporter;
  private readonly tell: (event: PlayerEvent) => void;
  private readonly reader = new SoundReader();
  private readonly schedule: Schedule;
  /** Turns whose sound came and has not all been played, and which of them have ended. */
  private readonly turns = new Map<string, 'running' | 'over'>();
  /** How far the last piece that was played brought the listener. */
  private heard: Position | undefined;
  private reportedAt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private room: (() => void)[] = [];
  private whenIdle: (() => void)[] = [];

  constructor({ output, report, onEvent, aheadMs = 500, leadMs = 20, mostBytes = 32 * 1024 * 1024 }: PlayerOptions) {
    this.output = output;
    this.schedule = new Schedule(output, { aheadMs, leadMs });
    this.mostBytes = mostBytes;
    this.reporter = new Reporter(report);
    this.tell = onEvent ?? (() => {});
  }

  get position(): Position | undefined {
    return this.schedule.position(this.output.now()) ?? this.heard;
  }

  push(event: Event): void | Promise<void> {
    if (event.type === 'agent.audio') return this.take(event);
    if (event.type === 'agent.audioFailed')
      this.tell({ type: 'failed', turnId: event.turnId, sentence: event.sentence });
    else if (event.type === 'speech.stop') this.silence([event.turnId]);
    else if (isTerminal(event) && this.turns.has(event.turnId)) {
      this.turns.set(event.turnId, 'over');
      this.tick();
    }
  }

  stop(): Position | undefined {
    return this.silence([...this.turns.keys()]);
  }

  idle(): Promise<void> {
    if (this.schedule.isEmpty) return Promise.resolve();
    return new Promise((resolve) => this.whenIdle.push(resolve));
  }

  close(): void {
    this.stop();
    this.reporter.close();
  }

  private take(event: EventOf<'agent.audio'>): void | Promise<void> {
    const sound = this.schedule.bytes >= 2 * this.mostBytes ? 'full' : this.reader.read(event);
    if (typeof sound === 'string') {
      const { turnId, sentence, chunk } = event;
      this.tell({ type: 'dropped', turnId, sentence, chunk, why: sound });
      return;
    }
    this.note(sound.turnId);
    this.schedule.add(sound);
    this.tick();
    if (this.schedule.bytes >= this.mostBytes) return new Promise((resolve) => this.room.push(resolve));
  }

  private note(turnId: string): void {
    if (this.turns.has(turnId)) return;
    this.turns.set(turnId, 'running');
    const oldest = this.turns.keys().next();
    if (this.turns.size > mostTurns && !oldest.done) this.turns.delete(oldest.value);
  }

  /** These turns are heard no more. How far the one of them that was being played had come is told to the server. */
  private silence(turns: readonly string[]): Position | undefined {
    const gone = new Set(turns);
    const { position } = this;
    const heard = position && gone.has(position.turnId) ? position : undefined;
    this.schedule.drop(gone);
    this.heard = heard ? undefined : position;
    for (const turnId of turns) {
      this.reader.stop(turnId);
      if (this.turns.delete(turnId))
        this.tell({ type: 'stopped', turnId, heard: heard?.turnId === turnId ? heard : undefined });
    }
    if (heard) this.reporter.tell(heard);
    this.tick();
    return heard;
  }

  /** Does what the time has come for, and sets the clock for what is next. */
  private tick(): void {
    clearTimeout(this.timer);
    const now = this.output.now();
    this.progress(now);
    this.schedule.feed(now);
    this.finish();
    if (this.schedule.bytes < this.mostBytes) for (const resolve of this.room.splice(0)) resolve();
    if (this.schedule.isEmpty) for (const resolve of this.whenIdle.splice(0)) resolve();
    else {
      const ms = Math.min(look.most, Math.max(look.least, this.nextMs(now) - now));
      this.timer = setTimeout(() => this.tick(), ms);
    }
  }

  private progress(now: number): void {
    for (let first = this.schedule.first; first && first.startMs <= now; first = this.schedule.first) {
      if (!first.hasStarted) this.begin(first);
      const isOver = first.startMs + first.durationMs <= now;
      const position = positionIn(first, now);
      if (isOver) {
        this.schedule.shift();
        this.heard = position;
      }
      const isSentenceEnd = isOver && first.last && position.playedMs > 0;
      if (isSentenceEnd || now - this.reportedAt >= reportMs) {
        this.reportedAt = now;
        this.reporter.tell(position);
      }
      if (!isOver) return;
    }
  }

  private begin(sound: Scheduled): void {
    sound.hasStarted = true;
    const { turnId, sentence } = sound;
    const isKnown = this.heard?.turnId === turnId && this.heard.sentence === sentence;
    if (isKnown || sound.samples.length === 0) return;
    this.reportedAt = Math.max(this.reportedAt, sound.startMs);
    this.tell({ type: 'sentence', turnId, sentence });
  }

  /** Turns that have ended and of which nothing is left. */
  private finish(): void {
    if (![...this.turns.values()].includes('over')) return;
    const left = this.schedule.turns;
    for (const [turnId, state] of this.turns) {
      if (state === 'running' || left.has(turnId)) continue;
      this.turns.delete(turnId);
      if (this.heard?.turnId === turnId) this.heard = undefined;
      this.tell({ type: 'ended', turnId });
    }
  }

  private nextMs(now: number): number {
    const { first, feedMs } = this.schedule;
    if (!first) return now;
    const { startMs, durationMs, hasStarted } = first;
    return Math.min(feedMs, hasStarted ? Math.min(startMs + durationMs, this.reportedAt + reportMs) : startMs);
  }
}

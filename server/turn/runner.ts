import { findMessage, inEvent, type MessageRow, toMessage } from '@parley/db/repository/message';
import { markAnnounced, type TurnRow } from '@parley/db/repository/turn';
import { releaseLease } from '@parley/db/repository/turn-lease';
import type { Locale } from '@parley/shared/explain';
import { saveSpeech } from '../files/speech-file.ts';
import { Encoded } from '../live/encode.ts';
import { Fenced } from '../live/port.ts';
import { beginning, ending } from './announce.ts';
import { answer, type Seen } from './answer.ts';
import { checkpoint } from './checkpoint.ts';
import { Leases } from './lease.ts';
import type { TurnPorts } from './ports.ts';
import { ProgressWriter } from './progress.ts';
import { isFenced, Recorder } from './recorder.ts';
import { type Outcome, type Settled, settle } from './settle.ts';
import type { Speaker } from './speak.ts';
import { type StopKind, Stopped } from './stop.ts';
import { recordingMetrics, speechMetrics, Timing } from './timing.ts';
import { errorName, verdictOf } from './verdict.ts';

/** A turn that this replica has claimed and is to run. */
export interface Claimed {
  turn: TurnRow;
  /** The user's message, when the caller has it at hand. */
  message?: MessageRow | null;
  /** Monotonic time before the claim was sent to the database. */
  claimedAt: number;
  /** Monotonic time of the turn's acceptance, where this replica saw it. */
  acceptedAt?: number;
  /** What its acceptance has seen. */
  seen?: Seen;
  /** `turn.started` is in the log already: an owner before this one had come that far. */
  begun?: boolean;
}

interface Running {
  turn: TurnRow;
  /** Stops speaking, when it speaks. */
  hush?: () => boolean;
  /** It was to stop speaking before it was known whether it speaks. */
  hushed?: true;
  abort: AbortController;
  done: Promise<void>;
}

/** Runs the turns that this replica owns, each from its first event to its terminal one. */
export class TurnRunner {
  readonly leases: Leases;
  readonly #ports: TurnPorts;
  readonly #progress: ProgressWriter;
  readonly #running = new Map<string, Running>();

  constructor(ports: TurnPorts) {
    this.#ports = ports;
    this.#progress = new ProgressWriter(ports.db);
    this.leases = new Leases(ports);
  }

  get count(): number {
    return this.#running.size;
  }

  get claim(): { replica: string; leaseMs: number } {
    return { replica: this.#ports.replica, leaseMs: this.#ports.leaseMs };
  }

  /** Starts a claimed turn; it goes on by itself, whoever listens. */
  start(claimed: Claimed): void {
    const { turn } = claimed;
    if (this.#running.has(turn.id)) return;
    const abort = new AbortController();
    this.leases.hold(turn, claimed.claimedAt, (kind) => abort.abort(new Stopped(kind)));
    const done = this.#run(claimed, abort)
      .catch((error: unknown) => {
        this.#ports.logger.error({ turnId: turn.id, error: errorName(error) }, 'turn not ended by this replica');
      })
      .finally(() => {
        this.#running.delete(turn.id);
        this.leases.release(turn.id);
      });
    this.#running.set(turn.id, { turn, abort, done });
  }

  /** Stops a turn if it runs here; resolves when it has ended, false when it does not run here. */
  async stop(turnId: string, kind: StopKind): Promise<boolean> {
    const running = this.#running.get(turnId);
    if (!running) return false;
    running.abort.abort(new Stopped(kind));
    await running.done;
    return true;
  }

  /** Resolves when a turn that runs here has ended and its events are out; at once when it does not run here. */
  async ended(turnId: string): Promise<boolean> {
    const running = this.#running.get(turnId);
    await running?.done;
    return running !== undefined;
  }

  /** Speech of a turn that runs here stops; its text goes on. */
  hush(turnId: string): boolean {
    const running = this.#running.get(turnId);
    if (running && !running.hush) running.hushed = true;
    return running?.hush?.() ?? false;
  }

  async stopAll(kind: StopKind): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.stop(id, kind)));
  }

  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map((running) => running.done));
  }

  async #run(claimed: Claimed, abort: AbortController): Promise<void> {
    const { turn } = claimed;
    const ports = this.#ports;
    const timing = new Timing(acceptedAt(claimed));
    const recorder = new Recorder({
      log: ports.log,
      progress: this.#progress,
      leases: this.leases,
      turn: { id: turn.id, generation: turn.generation, conversationId: turn.conversation_id },
      bubbles: [],
      begun: claimed.begun ?? false,
      onFailure: (error) => abort.abort(isFenced(error) ? new Stopped('lost') : error),
    });
    let locale: Locale = 'en';
    let speaker: Speaker | undefined;
    let failure: unknown;
    try {
      const message = await this.#message(claimed);
      timing.recording = recordingMetrics(turn, message);
      checkpoint('turn.begun', turn.id);
      if (!claimed.begun) recorder.push(beginning(turn, message));
      await answer(ports, {
        seen: claimed.seen,
        turn,
        message,
        recorder,
        timing,
        signal: abort.signal,
        onSpeaker: (known) => {
          speaker = known;
          const running = this.#running.get(turn.id);
          if (running) running.hush = () => this.#hush(turn, recorder, known);
          if (running?.hushed) this.#hush(turn, recorder, known);
        },
        onLocale: (known) => {
          locale = known;
        },
      });
    } catch (error) {
      failure = error;
    }
    if (failure !== undefined && speaker) this.#hush(turn, recorder, speaker);
    const { stopped, fault } = await this.#outcome(recorder, abort.signal);
    if (timing.firstDeltaMs !== undefined) ports.metrics.firstDelta(timing.firstDeltaMs / 1000);
    if (stopped === 'lost') return;
    if (stopped === 'deleted' || (stopped === 'handover' && recorder.bubbles.length === 0)) {
      await releaseLease(ports.db, turn);
      return;
    }
    if (speaker) timing.speech = speechMetrics(speaker, ports.synthesizer);
    const verdict = verdictOf(stopped, failure ?? fault);
    if (verdict.code !== undefined && stopped === undefined)
      ports.logger.warn({ turnId: turn.id, code: verdict.code, error: errorName(failure ?? fault) }, 'turn failed');
    const outcome: Outcome = {
      ...verdict,
      bubbles: recorder.bubbles,
      ...(speaker && { spoken: speaker.sentences }),
      metrics: timing.metrics(`${ports.model.name}/${turn.request.model ?? ports.model.model}`),
    };
    const speechAttachmentId = speaker && (await this.#keep(turn, speaker));
    if (speechAttachmentId !== undefined) outcome.speechAttachmentId = speechAttachmentId;
    checkpoint('settle.before', turn.id);
    const settlement = await settle(ports.db, turn, outcome, this.claim);
    if (settlement.kind !== 'settled') return;
    checkpoint('settle.committed', turn.id);
    ports.metrics.turnEnded({ status: outcome.status, code: outcome.code, seconds: outcome.metrics.totalMs / 1000 });
    if (timing.attempts > 0) ports.metrics.modelAttempts(timing.attempts);
    await this.#remember(claimed, settlement);
    await this.announce(settlement, locale, recorder.bubbles);
    if (settlement.next) this.start(settlement.next);
  }

  /** Appends the events that end a turn and remembers that they are out. Nothing of the turn can be appended afterwards. */
  async announce(
    settled: Pick<Settled, 'turn' | 'message'>,
    locale: Locale,
    bubbles: readonly string[] = [],
  ): Promise<void> {
    const { turn, message } = settled;
    checkpoint('terminal.before', turn.id);
    try {
      await this.#ports.log.append({
        conversationId: turn.conversation_id,
        events: ending(turn, message, locale).map((event) => Encoded.of(event)),
        turn: { id: turn.id, generation: turn.generation, ends: true },
        bubbles: () => [...bubbles],
      });
    } catch (error) {
      // Somebody else has announced it.
      if (!(error instanceof Fenced)) throw error;
    }
    checkpoint('terminal.after', turn.id);
    await markAnnounced(this.#ports.db, [turn.id]);
  }

  /** Tells listeners to stop playing when there is or was anything to play. */
  #hush(turn: TurnRow, recorder: Recorder, speaker: Speaker): boolean {
    const silenced = speaker.silence();
    if (silenced)
      recorder.push([{ type: 'speech.stop', conversationId: turn.conversation_id, turnId: turn.id, at: Date.now() }]);
    return silenced;
  }

  /** Keeps the sound of an answer when that was wished for. An answer without its file is better than none. */
  async #keep(turn: TurnRow, speaker: Speaker): Promise<string | undefined> {
    const { files, db, synthesizer, logger } = this.#ports;
    if (speaker.sound.length === 0 || !synthesizer) return undefined;
    try {
      return await saveSpeech(files, db, {
        owner: { tenant: turn.tenant_id, userId: turn.user_id },
        conversationId: turn.conversation_id,
        turnId: turn.id,
        pcm: speaker.sound,
        sampleRate: synthesizer.sampleRate,
      });
    } catch (error) {
      logger.warn({ turnId: turn.id, error: errorName(error) }, 'speech not kept');
      return undefined;
    }
  }

  /** Adds to the history what this turn has added to the conversation: its user's message and the answer, at once. */
  async #remember({ seen, message }: Claimed, settled: Settled): Promise<void> {
    if (!settled.revision) return;
    const { before, after } = settled.revision;
    // Nobody else has written since the acceptance.
    const whole = seen?.revision === before;
    const asked = whole && seen.before < before ? message : null;
    const added = [asked, settled.message].flatMap((row) => (row ? inEvent(toMessage(row)) : []));
    if (added.length > 0)
      await this.#ports.history.extend(
        settled.turn.conversation_id,
        { before: whole ? seen.before : before, after },
        added,
      );
  }

  async #message(claimed: Claimed): Promise<MessageRow | null> {
    if (claimed.message !== undefined) return claimed.message;
    const id = claimed.turn.user_message_id;
    return id ? ((await findMessage(this.#ports.db, id)) ?? null) : null;
  }

  /**
   * Waits for what was pushed to be out, and tells whether the turn was stopped from outside. `fault`: not all of it is out,
   * so that a whole answer was not delivered as one.
   */
  async #outcome(recorder: Recorder, signal: AbortSignal): Promise<{ stopped?: StopKind; fault?: unknown }> {
    let fault: unknown = signal.reason;
    try {
      await recorder.settled();
    } catch (error) {
      if (isFenced(error)) return { stopped: 'lost' };
      fault ??= error;
    }
    return fault instanceof Stopped ? { stopped: fault.kind } : { fault };
  }
}

function acceptedAt(claimed: Claimed): number {
  if (claimed.acceptedAt !== undefined) return claimed.acceptedAt;
  const { created_at, started_at } = claimed.turn;
  // Both on the database's clock, so their difference holds on any replica.
  return claimed.claimedAt - (started_at ? started_at.getTime() - created_at.getTime() : 0);
}

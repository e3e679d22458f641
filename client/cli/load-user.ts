import type { Event, Tracked } from '@parley/shared/event';
import { newId } from '@parley/shared/id';
import { isTerminal } from '@parley/shared/terminal';
import type { Parley } from '../connect.ts';
import { pause } from '../connection/backoff.ts';
import { failureOf, isLost, type ParleyFailure } from '../failure.ts';
import { littleEndian } from '../recorder/source.ts';
import { type Following, follow } from './follow.ts';
import type { Tally } from './load-tally.ts';
import type { Samples } from './wav.ts';

export interface LoadPlan {
  /** Milliseconds from one turn of a user to the next; 0: as soon as the last one has ended. */
  everyMs: number;
  /** Turns of one user at most. */
  turnsPerUser: number;
  text: string;
  /** A recording in pieces, said in place of the text. */
  pieces: readonly Samples[] | undefined;
  /** Milliseconds that one turn may take. */
  patienceMs: number;
}

/** Milliseconds that a call may take. */
const callMs = 60_000;
/** How long a turn whose call was lost may take to be heard of, in milliseconds. */
const unknownMs = 10_000;

interface Running {
  sentAt: number;
  hasDelta: boolean;
  hasSound: boolean;
  end: PromiseWithResolvers<'ended'>;
}

/** One of the users: a connection, a conversation that is followed, a turn at a time. */
export class LoadUser {
  readonly #parley: Parley;
  readonly #plan: LoadPlan;
  readonly #tally: Tally;
  readonly #conversationId: string;
  #following: Following | undefined;
  #running: Running | undefined;

  private constructor(parley: Parley, plan: LoadPlan, tally: Tally, conversationId: string) {
    this.#parley = parley;
    this.#plan = plan;
    this.#tally = tally;
    this.#conversationId = conversationId;
  }

  /** Connects, and follows a new conversation. @throws ParleyFailure */
  static async connect(parley: Parley, plan: LoadPlan, tally: Tally): Promise<LoadUser> {
    const { id } = await parley.conversations.create({ title: 'Load' });
    const user = new LoadUser(parley, plan, tally, id);
    user.#following = follow(parley, id, (tracked) => user.#take(tracked));
    await user.#following.started;
    tally.users++;
    return user;
  }

  /** Takes its turns, the first after `firstMs`, until it has had them all or is told to stop; the running one is waited for. */
  async run(firstMs: number, stop: AbortSignal): Promise<void> {
    const startAt = performance.now() + firstMs;
    let due = startAt;
    for (let turn = 0; turn < this.#plan.turnsPerUser; turn++) {
      await pause(Math.max(0, due - performance.now()), stop);
      if (stop.aborted) return;
      const restMs = await this.#turn(turn);
      if (restMs === undefined) return;
      const { everyMs } = this.#plan;
      due = everyMs === 0 ? performance.now() : due + everyMs;
      // What is overdue is not made up for: that would be another load than the one that was asked for.
      for (; everyMs > 0 && due < performance.now(); due += everyMs) this.#tally.late++;
      due = Math.max(due, performance.now() + restMs);
    }
  }

  async close(): Promise<void> {
    this.#following?.stop();
    await this.#parley.close();
  }

  /** How long to rest after it, in milliseconds; undefined when there is no going on in this conversation. */
  async #turn(number: number): Promise<number | undefined> {
    const tally = this.#tally;
    const running: Running = {
      sentAt: performance.now(),
      hasDelta: false,
      hasSound: false,
      end: Promise.withResolvers(),
    };
    this.#running = running;
    tally.sent++;
    const turnId = newId();
    try {
      if (this.#plan.pieces) await this.#speak(this.#plan.pieces, running);
      else await this.#say(turnId, this.#plan.text.replaceAll('{n}', String(number + 1)));
    } catch (error) {
      const failure = failureOf(error);
      if (!isLost(failure)) {
        tally.refuse(failure.reason);
        this.#running = undefined;
        return retryAfter(failure);
      }
      // It may have been taken all the same: then its events say so.
      const patienceMs = running.hasDelta ? this.#plan.patienceMs : Math.min(this.#plan.patienceMs, unknownMs);
      if ((await within(patienceMs, running.end.promise)) === 'late') {
        tally.lost++;
        return undefined;
      }
      tally.taken++;
      return 0;
    }
    tally.taken++;
    if (!this.#plan.pieces) tally.measure('ack', performance.now() - running.sentAt);
    if ((await within(this.#plan.patienceMs, running.end.promise)) === 'ended') return 0;
    tally.unfinished++;
    return undefined;
  }

  async #say(turnId: string, text: string): Promise<void> {
    const conversationId = this.#conversationId;
    await this.#parley.trpc.turns.send.mutate(
      { conversationId, turnId, parts: [{ type: 'text', text }] },
      { signal: AbortSignal.timeout(callMs) },
    );
  }

  /** What comes after the last segment is measured from when that was sent. */
  async #speak(pieces: readonly Samples[], running: Running): Promise<void> {
    const voiceSessionId = newId();
    for (const [index, { samples, sampleRate }] of pieces.entries()) {
      const sentAt = performance.now();
      running.sentAt = sentAt;
      await this.#parley.trpc.voice.sendSegment.mutate(
        {
          conversationId: this.#conversationId,
          voiceSessionId,
          index,
          isLast: index === pieces.length - 1,
          format: 'pcm_s16le',
          sampleRate,
          data: littleEndian(samples),
        },
        { signal: AbortSignal.timeout(callMs) },
      );
      this.#tally.segments++;
      this.#tally.measure('segment', performance.now() - sentAt);
    }
  }

  #take({ data }: Tracked): void {
    this.#tally.saw(data);
    const running = this.#running;
    if (running) this.#measure(running, data);
  }

  #measure(running: Running, event: Event): void {
    const tally = this.#tally;
    const ms = performance.now() - running.sentAt;
    if (event.type === 'agent.delta' && !running.hasDelta) {
      running.hasDelta = true;
      tally.measure('firstDelta', ms);
    } else if (event.type === 'agent.audio' && !running.hasSound) {
      running.hasSound = true;
      tally.measure('firstAudio', ms);
    } else if (event.type === 'transcript.final') tally.measure('transcript', ms);
    else if (isTerminal(event)) {
      if (event.type === 'turn.completed') tally.completed++;
      else if (event.type === 'turn.interrupted') tally.interrupted++;
      else tally.fail(event.code);
      tally.measure('end', ms);
      this.#running = undefined;
      running.end.resolve('ended');
    }
  }
}

/** Milliseconds that the server asks to wait, within bounds. */
function retryAfter({ details }: ParleyFailure): number {
  const ms = details?.retryAfterMs;
  return typeof ms === 'number' ? Math.min(60_000, Math.max(50, ms)) : 500;
}

function within<T>(ms: number, promise: Promise<T>): Promise<T | 'late'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('late'), ms);
    void promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

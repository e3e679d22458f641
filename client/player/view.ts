import type { Event } from '@parley/shared/event';
import { Cell, type Live } from '../conversation/live.ts';
import type { ConversationView } from '../conversation/view.ts';
import type { Speaking } from '../conversation/view-state.ts';
import type { AudioOutput } from './output.ts';
import type { Player, PlayerEvent } from './player.ts';
import type { Position } from './report.ts';

export interface PlayerState {
  /** `blocked`: there is sound, and the output waits to be allowed to make it; `enable` asks for that. */
  readonly state: 'idle' | 'playing' | 'blocked';
  /** What is being heard. */
  readonly turnId?: string;
  readonly sentence?: number;
}

/** Sound of a turn that began longer ago is not played: somebody came back to see what was said. Milliseconds. */
const staleMs = 60_000;
const mostStale = 64;
const idle: PlayerState = { state: 'idle' };

/** Plays a conversation's answers on an output while somebody wants it, however many do. */
export class PlayerView implements Live<PlayerState> {
  readonly #view: ConversationView;
  readonly #output: AudioOutput;
  readonly #cell = new Cell<PlayerState>(idle);
  readonly #stale = new Set<string>();
  /** The least time an event took to come, clocks being apart as they are: what takes much longer is old. */
  #leastLagMs = Number.POSITIVE_INFINITY;
  #users = 0;
  /** Whether the last piece of sound was not taken, as one is not that was on its way when somebody stopped. */
  #isDropped = false;
  #playing: { player: Player; leave(): void } | undefined;

  constructor(view: ConversationView, output: AudioOutput) {
    this.#view = view;
    this.#output = output;
  }

  readonly get = (): PlayerState => this.#cell.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const end = this.#cell.subscribe(listener);
    if (this.#users++ === 0) this.#begin();
    let isUsed = true;
    return () => {
      end();
      if (!isUsed) return;
      isUsed = false;
      if (--this.#users === 0) this.#end();
    };
  };

  /** How far what is being played was heard, for an interruption. */
  heard(): Position | undefined {
    return this.#playing?.player.position;
  }

  /** Silence at once, here only. */
  stop(): Position | undefined {
    return this.#playing?.player.stop();
  }

  /** Lets the output sound; to be called when somebody touches the page. */
  async enable(): Promise<void> {
    await this.#output.enable?.();
    if (this.#cell.get().state === 'blocked') this.#become({ ...this.#cell.get(), state: 'playing' });
  }

  #begin(): void {
    const player = this.#view.conversation.player({ output: this.#output, onEvent: (event) => this.#heed(event) });
    const silence = (): Position | undefined => player.stop();
    this.#view.silencers.add(silence);
    const leave = this.#view.onEvent((event) => this.#push(player, event));
    this.#playing = {
      player,
      leave: () => {
        this.#view.silencers.delete(silence);
        leave();
      },
    };
  }

  #end(): void {
    const playing = this.#playing;
    this.#playing = undefined;
    playing?.leave();
    playing?.player.close();
    this.#become(idle);
  }

  #push(player: Player, event: Event): void {
    const lagMs = Date.now() - event.at;
    this.#leastLagMs = Math.min(this.#leastLagMs, lagMs);
    if (event.type === 'turn.started' && lagMs - this.#leastLagMs > staleMs) {
      this.#stale.add(event.turnId);
      const oldest = this.#stale.values().next();
      if (this.#stale.size > mostStale && !oldest.done) this.#stale.delete(oldest.value);
    }
    if ('turnId' in event && event.turnId !== undefined && this.#stale.has(event.turnId)) return;
    // What does not fit the player's bound is dropped: the text is there.
    this.#isDropped = false;
    void player.push(event);
    if (event.type === 'agent.audio' && !this.#isDropped && this.#cell.get().state === 'idle')
      this.#become({ state: this.#output.isBlocked ? 'blocked' : 'playing' });
  }

  #heed(event: PlayerEvent): void {
    if (event.type === 'sentence') this.#become({ state: 'playing', turnId: event.turnId, sentence: event.sentence });
    else if (event.type === 'dropped') this.#isDropped = true;
    else if (event.type === 'ended' || event.type === 'stopped') {
      const { turnId } = this.#cell.get();
      if (turnId === undefined || turnId === event.turnId) this.#become(idle);
    }
  }

  #become(state: PlayerState): void {
    this.#cell.set(state);
    const { turnId, sentence } = state;
    const speaking: Speaking | null = turnId !== undefined && sentence !== undefined ? { turnId, sentence } : null;
    this.#view.speaks(speaking);
  }
}

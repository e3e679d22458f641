import type { EventType } from '@parley/shared/event';
import { newId } from '@parley/shared/id';
import type { Parley } from '../connect.ts';
import type { AudioOutput } from '../player/output.ts';
import { PlayerView } from '../player/view.ts';
import { ConversationView } from './view.ts';

/** Conversations nobody looks at that are kept as they were. */
const mostIdle = 8;
/** Events after which a list of conversations is another. */
const listed: ReadonlySet<EventType> = new Set<EventType>([
  'message.saved',
  'conversation.updated',
  'conversation.ended',
  'conversation.deleted',
]);

/** The views of a client, one a conversation, shared by all who look. */
export class Views {
  /** Names the client, for caches that several may share. */
  readonly id = newId();
  readonly #parley: Parley;
  readonly #views = new Map<string, ConversationView>();
  readonly #players = new WeakMap<ConversationView, WeakMap<AudioOutput, PlayerView>>();
  readonly #listeners = new Set<(conversationId: string) => void>();

  constructor(parley: Parley) {
    this.#parley = parley;
  }

  /** `pageSize` counts for the first who asks. */
  of(conversationId: string, { pageSize }: { pageSize?: number | undefined } = {}): ConversationView {
    const known = this.#views.get(conversationId);
    if (known) {
      // The last ones to be asked for are the last ones to go.
      this.#views.delete(conversationId);
      this.#views.set(conversationId, known);
      return known;
    }
    const view = new ConversationView(this.#parley.conversation(conversationId), {
      ...(pageSize !== undefined && { pageSize }),
      onEvent: (event) => {
        if (listed.has(event.type)) this.changed(conversationId);
      },
    });
    const idle = [...this.#views].filter(([, each]) => each.isIdle);
    for (const [id] of idle.slice(0, Math.max(0, idle.length - mostIdle))) this.#views.delete(id);
    this.#views.set(conversationId, view);
    return view;
  }

  /** What plays a conversation on an output. */
  player(conversationId: string, output: AudioOutput): PlayerView {
    const view = this.of(conversationId);
    const players = this.#players.get(view) ?? new WeakMap<AudioOutput, PlayerView>();
    this.#players.set(view, players);
    const player = players.get(output) ?? new PlayerView(view, output);
    players.set(output, player);
    return player;
  }

  /** Told of conversations that look different in a list from now on. Returns what ends it. */
  onChange(listener: (conversationId: string) => void): () => void {
    const own = (id: string): void => listener(id);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  changed(conversationId: string): void {
    for (const listener of [...this.#listeners]) listener(conversationId);
  }
}

const known = new WeakMap<Parley, Views>();

export function viewsOf(parley: Parley): Views {
  const views = known.get(parley) ?? new Views(parley);
  known.set(parley, views);
  return views;
}

import type { Conversation as ConversationData } from '@parley/shared/conversation';
import type { ConversationInEvent } from '@parley/shared/event';
import type { ConversationState } from '@parley/shared/state';
import type { ParleyFailure } from '../failure.ts';
import type { Outgoing } from './outbox.ts';
import type { PagesState } from './pages.ts';
import type { TurnRecord } from './turn-record.ts';

/** The sentence of an answer that is being heard. */
export interface Speaking {
  readonly turnId: string;
  readonly sentence: number;
}

/** A conversation as a screen shows it. */
export type ViewState = PagesState & {
  /** What is sent and not among the messages yet, in order. */
  readonly outgoing: readonly Outgoing[];
  readonly turns: readonly TurnRecord[];
  readonly speaking: Speaking | null;
} & (
    | { readonly status: 'pending'; readonly data: undefined; readonly error: null }
    | { readonly status: 'success'; readonly data: ConversationState; readonly error: null }
    /** With what had been loaded before. */
    | { readonly status: 'error'; readonly data: ConversationState | undefined; readonly error: ParleyFailure }
  );

/** A conversation that a call answered, as events carry it. */
export function inEvent(conversation: ConversationData): ConversationInEvent {
  const { createdAt, lastMessageAt, endedAt, ...rest } = conversation;
  return {
    ...rest,
    createdAt: createdAt.getTime(),
    lastMessageAt: lastMessageAt?.getTime() ?? null,
    endedAt: endedAt?.getTime() ?? null,
  };
}

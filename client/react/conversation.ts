import type { Conversation as ConversationData } from '@parley/shared/conversation';
import type { ConversationState } from '@parley/shared/state';
import type { SentTurn } from '@parley/shared/turn';
import { useCallback, useSyncExternalStore } from 'react';
import type { Conversation } from '../conversation/conversation.ts';
import type { InterruptOptions } from '../conversation/options.ts';
import type { Content, Outgoing, PostOptions } from '../conversation/outbox.ts';
import type { ConversationView } from '../conversation/view.ts';
import type { Speaking, ViewState } from '../conversation/view-state.ts';
import type { ParleyFailure } from '../failure.ts';
import { useLive } from './live.ts';
import { type Mutation, useCall } from './mutation.ts';
import { useParleyContext } from './provider.tsx';

export interface UseConversationOptions {
  /** Messages of a page, 1 to 100; 50 by default. */
  pageSize?: number;
}

/** What is said: text, parts, or either with how it is to be answered. */
export type SendVariables = Content | (PostOptions & { content: Content });

interface Rest {
  conversation: Conversation;
  /** What was said and is not among the messages yet, in order; failed ones are kept. */
  outgoing: readonly Outgoing[];
  /** The sentence that is being heard, when a `usePlayer` plays. */
  speaking: Speaking | null;
  hasPreviousPage: boolean;
  isFetchingPreviousPage: boolean;
  previousPageError: ParleyFailure | null;
  fetchPreviousPage: () => Promise<void>;
  /** Begins anew after an error. */
  refetch: () => void;
  /** Shown in `outgoing` at once. Rejects when the server did not take it: it is kept there, to be sent again or discarded. */
  send: Mutation<SentTurn, SendVariables>;
  /** Sends a failed one again, under the same turn id. */
  resend: Mutation<SentTurn, string>;
  discard: (turnId: string) => void;
  /** Stops answer and sound at once, and tells the server what was heard. False when nothing was running. */
  interrupt: Mutation<boolean, InterruptOptions | undefined>;
  /** Stops the sound; the text goes on. */
  stopSpeaking: Mutation<boolean>;
  /** A turn that failed or was interrupted, again: the id of the new turn. */
  retry: Mutation<string, string>;
  /** Lets the agent speak first in an empty conversation. May be called as often as one likes. */
  open: Mutation<{ greetingTurnId?: string }, { speak?: boolean } | undefined>;
  rename: Mutation<ConversationData, string>;
  end: Mutation<ConversationData>;
  remove: Mutation<void>;
}

export type UseConversationResult = Rest &
  (
    | { status: 'pending'; data: undefined; error: null; isPending: true; isError: false; isSuccess: false }
    | { status: 'success'; data: ConversationState; error: null; isPending: false; isError: false; isSuccess: true }
    | {
        status: 'error';
        data: ConversationState | undefined;
        error: ParleyFailure;
        isPending: false;
        isError: true;
        isSuccess: false;
      }
  );

/** A conversation: its messages from the newest page on, and what happens in it now. */
export function useConversation(id: string, options: UseConversationOptions = {}): UseConversationResult {
  const view = useView(id, options);
  const { turns, ...state } = useLive(view);
  const calls = useCalls(view);
  return { ...withFlags(state), ...calls };
}

/**
 * A part of what `useConversation` gives, for a component that is to be rendered only when that part changes. `select` gives
 * something that is the same while nothing in it changed, such as a field.
 */
export function useConversationSelector<T>(
  id: string,
  select: (state: ViewState) => T,
  options: UseConversationOptions = {},
): T {
  const view = useView(id, options);
  const get = (): T => select(view.get());
  return useSyncExternalStore(view.subscribe, get, get);
}

/** What can be done in a conversation, without following it by itself. */
export function useConversationActions(id: string): ReturnType<typeof useCalls> {
  return useCalls(useView(id, {}));
}

export function useView(id: string, { pageSize }: UseConversationOptions): ConversationView {
  return useParleyContext().views.of(id, { pageSize });
}

function useCalls(view: ConversationView) {
  const { conversation, outbox } = view;
  return {
    conversation,
    fetchPreviousPage: useCallback(() => view.fetchPreviousPage(), [view]),
    refetch: useCallback(() => view.refetch(), [view]),
    send: useCall((variables: SendVariables) => {
      if (typeof variables === 'string' || Array.isArray(variables)) return outbox.send(variables);
      const { content, ...options } = variables;
      return outbox.send(content, options);
    }),
    resend: useCall((turnId: string) => outbox.resend(turnId)),
    discard: useCallback((turnId: string) => outbox.discard(turnId), [outbox]),
    interrupt: useCall((options: InterruptOptions | undefined) => view.interrupt(options ?? {})),
    stopSpeaking: useCall(() => view.stopSpeaking()),
    retry: useCall((turnId: string) => conversation.retry(turnId)),
    open: useCall((options: { speak?: boolean } | undefined) => conversation.greet(options ?? {})),
    rename: useCall(async (title: string) => known(view, await conversation.rename(title))),
    end: useCall(async () => known(view, await conversation.end())),
    remove: useCall(() => conversation.delete()),
  };
}

function known(view: ConversationView, conversation: ConversationData): ConversationData {
  view.know(conversation);
  return conversation;
}

type Shown =
  | Omit<Extract<ViewState, { status: 'pending' }>, 'turns'>
  | Omit<Extract<ViewState, { status: 'success' }>, 'turns'>
  | Omit<Extract<ViewState, { status: 'error' }>, 'turns'>;

function withFlags(state: Shown) {
  switch (state.status) {
    case 'pending':
      return { ...state, isPending: true, isError: false, isSuccess: false } as const;
    case 'success':
      return { ...state, isPending: false, isError: false, isSuccess: true } as const;
    case 'error':
      return { ...state, isPending: false, isError: true, isSuccess: false } as const;
  }
}

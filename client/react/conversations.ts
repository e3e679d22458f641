import type { Conversation as ConversationData } from '@parley/shared/conversation';
import type { Page } from '@parley/shared/page';
import { type InfiniteData, type UseInfiniteQueryResult, useInfiniteQuery } from '@tanstack/react-query';
import type { Parley } from '../connect.ts';
import type { Conversation } from '../conversation/conversation.ts';
import type { ParleyFailure } from '../failure.ts';
import { type Mutation, useCall } from './mutation.ts';
import { listKey, useParleyContext } from './provider.tsx';

export interface UseConversationsOptions {
  /** In titles and messages. */
  search?: string;
  status?: 'active' | 'ended';
  contextType?: string;
  /** Conversations of a page, 1 to 100; 20 by default. */
  limit?: number;
}

export interface ConversationList {
  /** Newest activity first, of all pages that are loaded. Each stays the same object while nothing in it changes. */
  items: ConversationData[];
  /** Of the whole list. */
  total: number;
}

export type UseConversationsResult = UseInfiniteQueryResult<ConversationList, ParleyFailure>;

type Pages = InfiniteData<Page<ConversationData>, string | undefined>;

const listOf = ({ pages }: Pages): ConversationList => {
  // A conversation that moves up while pages are loaded is on two of them.
  const items = new Map(pages.flatMap((page) => page.items.map((item) => [item.id, item] as const)));
  return { items: [...items.values()], total: pages.at(-1)?.total ?? 0 };
};

/** The user's conversations. Refreshed when one that is followed changes, and as the query client is set to. */
export function useConversations(options: UseConversationsOptions = {}): UseConversationsResult {
  const { parley, views, queryClient } = useParleyContext();
  const { search, status, contextType, limit } = options;
  const input = {
    ...(search !== undefined && search !== '' && { search }),
    ...(status && { status }),
    ...(contextType !== undefined && { contextType }),
    ...(limit !== undefined && { limit }),
  };
  return useInfiniteQuery<
    Page<ConversationData>,
    ParleyFailure,
    ConversationList,
    readonly unknown[],
    string | undefined
  >(
    {
      queryKey: [...listKey(views), input],
      queryFn: ({ pageParam, signal }) =>
        parley.conversations.list({ ...input, ...(pageParam !== undefined && { cursor: pageParam }) }, { signal }),
      initialPageParam: undefined,
      getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
      select: listOf,
      structuralSharing: (before, after) => shared(before, after),
      networkMode: 'always',
      retry: false,
    },
    queryClient,
  );
}

export type CreateConversation = NonNullable<Parameters<Parley['conversations']['create']>[0]>;

/** Begins a conversation. */
export function useCreateConversation(): Mutation<Conversation, CreateConversation | undefined> {
  const { parley, views } = useParleyContext();
  return useCall<Conversation, CreateConversation | undefined>(async (input) => {
    const conversation = await parley.conversations.create(input ?? {});
    views.changed(conversation.id);
    return conversation;
  });
}

/** What is the same as before stays the same object. */
function shared(before: unknown, after: unknown): unknown {
  const known = new Map<string, unknown>();
  visit(before, (item) => known.set(JSON.stringify(item), item));
  return known.size === 0 ? after : replaced(after, known);
}

function visit(value: unknown, each: (item: unknown) => void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, each);
  else if (isObject(value)) {
    if ('id' in value) each(value);
    else for (const child of Object.values(value)) visit(child, each);
  }
}

function replaced(value: unknown, known: ReadonlyMap<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => replaced(item, known));
  if (!isObject(value)) return value;
  if ('id' in value) return known.get(JSON.stringify(value)) ?? value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, replaced(child, known)]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}

import type { Turn } from '@parley/shared/turn';
import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import type { TurnRecord } from '../conversation/turn-record.ts';
import { failureOf, type ParleyFailure } from '../failure.ts';
import { useConversationSelector } from './conversation.ts';
import { useParleyContext } from './provider.tsx';

/** The turns of a conversation that were seen since it is followed, newest last, each with its timeline and latencies. */
export function useTurns(conversationId: string): readonly TurnRecord[] {
  return useConversationSelector(conversationId, ({ turns }) => turns);
}

/** A turn as it is stored, with its metrics: for one that was over before its conversation was followed. */
export function useTurn(turnId: string | null): UseQueryResult<Turn, ParleyFailure> {
  const { parley, views, queryClient } = useParleyContext();
  return useQuery<Turn, ParleyFailure>(
    {
      queryKey: ['parley', views.id, 'turn', turnId],
      queryFn: async ({ signal }) => {
        try {
          return await parley.trpc.turns.get.query({ turnId: turnId ?? '' }, { signal });
        } catch (error) {
          throw failureOf(error);
        }
      },
      enabled: turnId !== null,
      networkMode: 'always',
      retry: (count, { retryable }) => retryable && count < 5,
    },
    queryClient,
  );
}

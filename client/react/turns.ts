import type { TurnRecord } from '../turn-record.ts';
import { useConversationSelector } from './conversation.ts';

/** The turns of a conversation that were seen since it is followed, newest last, each with its timeline and latencies. */
export function useTurns(conversationId: string): readonly TurnRecord[] {
  return useConversationSelector(conversationId, ({ turns }) => turns);
}

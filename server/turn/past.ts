import type { Db } from '@parley/db/connect';
import type { MessageRow } from '@parley/db/repository/message';
import { listWaitingMessages, type TurnRow } from '@parley/db/repository/turn';
import type { MessageInEvent } from '@parley/shared/message';

/**
 * What a turn's model sees of the history before the turn's own message: without what waits behind it, and without an answer
 * that it tries again. `alone`: nothing can be waiting.
 */
export async function pastOf(
  db: Db,
  { turn, message, alone }: { turn: TurnRow; message: MessageRow | null; alone: boolean },
  history: readonly MessageInEvent[],
): Promise<readonly MessageInEvent[]> {
  const said = alone ? history : await withoutWaiting(db, turn, message, history);
  if (!message) return said;
  return said.filter((other) => other.id !== message.id && !isRetried(turn, message, other.turnId, other.role));
}

/**
 * The history without what waits behind this turn. Only a question that nothing answered can be waiting, so that most turns
 * ask the database nothing.
 */
async function withoutWaiting(
  db: Db,
  turn: TurnRow,
  message: MessageRow | null,
  messages: readonly MessageInEvent[],
): Promise<readonly MessageInEvent[]> {
  const answered = new Set<string>();
  let open = false;
  // The newest first: an answer stands behind what it answers.
  for (let i = messages.length - 1; i >= 0 && !open; i--) {
    const other = messages[i];
    if (other?.role === 'agent') answered.add(other.turnId);
    else open = other !== undefined && other.id !== message?.id && !answered.has(other.turnId);
  }
  if (!open) return messages;
  const waiting = new Set(await listWaitingMessages(db, turn.conversation_id));
  return messages.filter(({ id }) => !waiting.has(id));
}

/** The answer that another try replaces is not part of what the model sees. */
function isRetried(turn: TurnRow, message: MessageRow, otherTurn: string, role: string): boolean {
  return turn.retry_of !== null && role === 'agent' && (otherTurn === turn.retry_of || otherTurn === message.turn_id);
}

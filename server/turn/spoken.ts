import type { Db } from '@parley/db/connect';
import { findMessage, toMessage } from '@parley/db/repository/message';
import { type TurnRow, toTurn } from '@parley/db/repository/turn';
import { findProgress } from '@parley/db/repository/turn-progress';
import { explain, type Locale } from '@parley/shared/explain';
import { newId } from '@parley/shared/id';
import { type Message, textOf } from '@parley/shared/message';
import { isReason } from '@parley/shared/reason';
import type { Answer, Turn } from '@parley/shared/turn';
import type { TurnPorts } from './ports.ts';

/** A turn's answer: what is stored, or what has been delivered of it so far. */
export async function spokenSoFar(ports: Pick<TurnPorts, 'db' | 'log'>, turn: TurnRow): Promise<string> {
  if (turn.status === 'queued') return '';
  if (turn.status === 'running') {
    const { running } = await ports.log.head(turn.conversation_id);
    if (running?.turnId === turn.id) return running.bubbles.join('');
    return (await findProgress(ports.db, turn.id))?.join('') ?? '';
  }
  const message = turn.agent_message_id ? await findMessage(ports.db, turn.agent_message_id) : undefined;
  return message ? textOf(message.parts) : '';
}

/** What `turns.ask` gives back of an ended turn: a failure is a reply too, which says so in the user's language. */
export async function replyTo(db: Db, turn: TurnRow, locale: Locale): Promise<Pick<Answer, 'reply' | 'turn'>> {
  const stored = turn.agent_message_id ? await findMessage(db, turn.agent_message_id) : undefined;
  const message: Message = stored
    ? toMessage(stored)
    : {
        id: newId(),
        conversationId: turn.conversation_id,
        turnId: turn.id,
        role: 'agent',
        kind: 'text',
        status: turn.status === 'interrupted' ? 'interrupted' : 'failed',
        parts: [],
        createdAt: turn.ended_at ?? turn.created_at,
      };
  const text = textOf(message.parts);
  if (turn.status !== 'failed') return { reply: message, turn: toTurn(turn, text) };
  const apology = explain(isReason(turn.code) ? turn.code : 'INTERNAL', locale);
  return {
    reply: { ...message, parts: [...message.parts, { type: 'text', text: apology }] },
    turn: toTurn(turn, text),
  };
}

/** A turn as an export tells of it: what was asked, what came of it. */
export function exportedTurn(
  turn: TurnRow,
  text: string,
): Turn & {
  input: TurnRow['input'];
  request: TurnRow['request'];
  userMessageId: string | null;
  createdAt: Date;
  endedAt: Date | null;
} {
  return {
    ...toTurn(turn, text),
    input: turn.input,
    request: turn.request,
    userMessageId: turn.user_message_id,
    createdAt: turn.created_at,
    endedAt: turn.ended_at,
  };
}

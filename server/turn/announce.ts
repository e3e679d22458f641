import { inEvent, type MessageRow, toMessage } from '@parley/db/repository/message';
import type { TurnRow } from '@parley/db/repository/turn';
import type { Event } from '@parley/shared/event';
import { explain, type Locale } from '@parley/shared/explain';
import { textOf } from '@parley/shared/message';
import { isReason, isRetryable } from '@parley/shared/reason';

export function saved(row: MessageRow, at: number): Event {
  const message = inEvent(toMessage(row));
  return { type: 'message.saved', ...message, at, message };
}

/** The events that begin a turn: it has started, and its user's message is stored. */
export function beginning(turn: TurnRow, message: MessageRow | null): Event[] {
  const at = Date.now();
  const started: Event = {
    type: 'turn.started',
    conversationId: turn.conversation_id,
    turnId: turn.id,
    at,
    input: turn.input,
    parts: turn.request.parts,
    ...(turn.user_message_id !== null && { userMessageId: turn.user_message_id }),
  };
  // Another try's message was saved by the turn that it repeats, of which nothing may follow its end.
  if (!message || message.turn_id !== turn.id) return [started];
  if (message.voice_session_id === null) return [started, saved(message, at)];
  const transcript: Event = {
    type: 'transcript.final',
    conversationId: turn.conversation_id,
    turnId: turn.id,
    at,
    text: textOf(message.parts),
    voiceSessionId: message.voice_session_id,
    durationMs: message.duration_ms ?? 0,
  };
  return [started, transcript, saved(message, at)];
}

/** The events that end a turn, the terminal one last. Made from what is stored, so that any replica makes the same. */
export function ending(turn: TurnRow, message: MessageRow | null, locale: Locale): Event[] {
  const at = Date.now();
  const base = { conversationId: turn.conversation_id, turnId: turn.id, at };
  const last = { ...base, ...(message && { messageId: message.id }) };
  const events: Event[] = [];
  if (message) events.push(saved(message, at));
  if (turn.metrics) events.push({ type: 'turn.metrics', ...base, ...turn.metrics });
  if (turn.status === 'completed') events.push({ type: 'turn.completed', ...last });
  else if (turn.status === 'failed') {
    const code = isReason(turn.code) ? turn.code : 'INTERNAL';
    events.push({ type: 'turn.failed', ...last, code, message: explain(code, locale), retryable: isRetryable(code) });
  } else events.push({ type: 'turn.interrupted', ...last });
  return events;
}

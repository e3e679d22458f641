import { findMessage, inEvent, type MessageRow, toMessage } from '@parley/db/repository/message';
import type { TurnRow } from '@parley/db/repository/turn';
import { markAnnounced } from '@parley/db/repository/turn-end';
import type { Event } from '@parley/shared/event';
import { explain, type Locale } from '@parley/shared/explain';
import { textOf } from '@parley/shared/message';
import { isReason, isRetryable } from '@parley/shared/reason';
import { Encoded } from '../live/encode.ts';
import { Fenced } from '../live/port.ts';
import { checkpoint } from './checkpoint.ts';
import type { TurnPorts } from './ports.ts';
import { retract } from './publish.ts';

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
    ...unspoken(turn),
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
    const { details } = turn.request;
    const failed = { code, message: explain(code, locale), retryable: isRetryable(code), ...unspoken(turn) };
    events.push({ type: 'turn.failed', ...last, ...failed, ...(details && { details }) });
  } else events.push({ type: 'turn.interrupted', ...last });
  return events;
}

/** Names the recording that a turn failed of, which no message names. */
function unspoken({ input, user_message_id, request }: TurnRow): { voiceSessionId?: string } {
  if (input !== 'voice' || user_message_id !== null || request.audio === undefined) return {};
  return { voiceSessionId: request.audio };
}

/**
 * Appends the events that end a turn and remembers that they are out. Nothing of the turn can be appended afterwards.
 * `bubbles`: the answer as it was delivered, for a log that has lost it.
 */
export async function announceEnd(
  ports: Pick<TurnPorts, 'db' | 'log' | 'history'>,
  { turn, message }: { turn: TurnRow; message: MessageRow | null },
  locale: Locale,
  bubbles: readonly string[] = [],
): Promise<void> {
  await announce(ports, turn, ending(turn, message, locale), bubbles);
}

/** The same for a turn that never ran, of which nothing has been told yet: all of its events at once. */
export async function announceUnrun(
  ports: Pick<TurnPorts, 'db' | 'log' | 'history'>,
  turn: TurnRow,
  locale: Locale,
): Promise<void> {
  const asked = turn.user_message_id ? await findMessage(ports.db, turn.user_message_id) : undefined;
  await announce(ports, turn, [...beginning(turn, asked ?? null), ...ending(turn, null, locale)]);
}

async function announce(
  ports: Pick<TurnPorts, 'db' | 'log' | 'history'>,
  turn: TurnRow,
  events: readonly Event[],
  bubbles: readonly string[] = [],
): Promise<void> {
  checkpoint('terminal.before', turn.id);
  try {
    await ports.log.append({
      conversationId: turn.conversation_id,
      events: events.map((event) => Encoded.of(event)),
      turn: { id: turn.id, generation: turn.generation, ends: true },
      bubbles: () => [...bubbles],
    });
  } catch (error) {
    // Somebody else has announced it.
    if (!(error instanceof Fenced)) throw error;
  }
  checkpoint('terminal.after', turn.id);
  const isThere = await markAnnounced(ports.db, turn.id);
  if (!isThere) await retract(ports, turn.conversation_id);
}

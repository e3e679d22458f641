import type { Outgoing } from '@parley/client/react';
import type { MessageInEvent } from '@parley/shared/message';
import type { ConversationState, Outcome, RunningTurn, Transcript } from '@parley/shared/state';
import { startOfDay } from '../ui/day.ts';

/** One thing in the log. Keys stay when what is shown of a turn changes from coming in to stored. */
export type Row = { readonly key: string } & (
  | {
      readonly type: 'message';
      readonly message: MessageInEvent;
      readonly isNewDay: boolean;
      /** Before it is measured: about how high it will be, in pixels. */
      readonly height: number;
    }
  /** What is said, before it is stored. */
  | { readonly type: 'outgoing'; readonly outgoing: Outgoing }
  | { readonly type: 'transcript'; readonly transcript: Transcript }
  | { readonly type: 'listening'; readonly text: string }
  /** An answer that is coming in. */
  | { readonly type: 'turn'; readonly turn: RunningTurn }
  /** A turn that failed without an answer. */
  | { readonly type: 'failure'; readonly outcome: Extract<Outcome, { status: 'failed' }> }
);

type MessageRow = Extract<Row, { type: 'message' }>;

/** A message's row stays the same object, so that of thousands only those are looked at again that are new. */
const known = new WeakMap<MessageInEvent, MessageRow>();
const days = new WeakMap<MessageInEvent, number>();

/**
 * `isWhole`: there is nothing before the first one. Otherwise its day is not named: its row would become smaller, and move
 * what somebody reads, as soon as an earlier message of that day is there.
 */
export function messageRows(messages: readonly MessageInEvent[], isWhole: boolean): Row[] {
  const keys = new Set<string>();
  let lastDay: number | undefined;
  return messages.map((message) => {
    const usual = keyOf(message.turnId, message.role);
    const key = keys.has(usual) ? message.id : usual;
    keys.add(key);
    const day = dayOf(message);
    const isNewDay = day !== lastDay && (isWhole || lastDay !== undefined);
    lastDay = day;
    const before = known.get(message);
    if (before?.key === key && before.isNewDay === isNewDay) return before;
    const row: MessageRow = { key, type: 'message', message, isNewDay, height: heightOf(message) };
    known.set(message, row);
    return row;
  });
}

function heightOf({ parts }: MessageInEvent): number {
  let height = 56;
  for (const part of parts)
    height += part.type === 'text' ? Math.ceil(part.text.length / 80) * 26 + 12 : part.kind === 'image' ? 200 : 56;
  return height;
}

function dayOf(message: MessageInEvent): number {
  const day = days.get(message) ?? startOfDay(message.createdAt);
  days.set(message, day);
  return day;
}

function keyOf(turnId: string, role: MessageInEvent['role']): string {
  return `${turnId} ${role}`;
}

/** What comes after the messages: what is being said and answered now. */
export function openRows(data: ConversationState, outgoing: readonly Outgoing[]): Row[] {
  const { turn, transcripts, listening, messages } = data;
  const rows: Row[] = [];
  const failure = lastFailure(data);
  if (failure) rows.push({ key: `${failure.turnId} failure`, type: 'failure', outcome: failure });
  for (const transcript of transcripts)
    rows.push({ key: `${transcript.voiceSessionId} transcript`, type: 'transcript', transcript });
  const answer = turn?.messageId;
  const isStored = answer !== undefined && messages.some(({ id }) => id === answer);
  const running: Row | undefined = turn && !isStored ? { key: keyOf(turn.id, 'agent'), type: 'turn', turn } : undefined;
  // What waits for the running answer is said after it.
  const own = outgoing.find(({ turnId }) => turnId === turn?.id);
  if (own) rows.push({ key: keyOf(own.turnId, 'human'), type: 'outgoing', outgoing: own });
  if (running) rows.push(running);
  for (const each of outgoing)
    if (each !== own) rows.push({ key: keyOf(each.turnId, 'human'), type: 'outgoing', outgoing: each });
  if (listening && transcripts.length === 0)
    rows.push({ key: `${listening.voiceSessionId} listening`, type: 'listening', text: listening.text });
  return rows;
}

/** The last turn's, when nothing has been said since and no stored answer tells of it. */
function lastFailure({ outcomes, turn, messages }: ConversationState) {
  const last = outcomes.at(-1);
  if (last?.status !== 'failed' || turn) return undefined;
  const message = messages.at(-1);
  const isTold = messages.slice(-4).some(({ id }) => id === last.messageId);
  const isLast = !message || message.turnId === last.turnId || last.messageId === undefined;
  return isTold || !isLast ? undefined : last;
}

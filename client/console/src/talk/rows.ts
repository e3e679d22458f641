import type { Outgoing } from '@parley/client/react';
import type { MessageInEvent } from '@parley/shared/message';
import { openFailures } from '@parley/shared/open-failure';
import type { ConversationState, FailedOutcome, RunningTurn, Transcript } from '@parley/shared/state';
import { startOfDay } from '../ui/day.ts';

/** One thing in the log. Keys stay when what is shown of a turn changes from coming in to stored. */
export type Row = { readonly key: string } & (
  | {
      /** What follows was said on another day than what comes before. */
      readonly type: 'day';
      readonly at: number;
    }
  | {
      readonly type: 'message';
      readonly message: MessageInEvent;
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
  | { readonly type: 'failure'; readonly outcome: FailedOutcome }
);

/** A message's rows stay the same objects, so that of thousands only those are looked at again that are new. */
const known = new WeakMap<MessageInEvent, { day: Row; message: Row }>();
const days = new WeakMap<MessageInEvent, number>();

/**
 * `isWhole`: there is nothing before the first one. Otherwise its day is not named, which may be that of an earlier message.
 * A day has a row of its own: were it part of the message's, that would grow under the eyes of whoever reads it when the page
 * before comes in.
 */
export function messageRows(messages: readonly MessageInEvent[], isWhole: boolean): Row[] {
  const keys = new Set<string>();
  const rows: Row[] = [];
  let lastDay: number | undefined;
  for (const message of messages) {
    const usual = keyOf(message.turnId, message.role);
    const key = keys.has(usual) ? message.id : usual;
    keys.add(key);
    const own = rowsOf(message, key);
    const day = dayOf(message);
    if (day !== lastDay && (isWhole || lastDay !== undefined)) rows.push(own.day);
    rows.push(own.message);
    lastDay = day;
  }
  return rows;
}

function rowsOf(message: MessageInEvent, key: string): { day: Row; message: Row } {
  const before = known.get(message);
  if (before?.message.key === key) return before;
  const rows: { day: Row; message: Row } = {
    day: { key: `${key} day`, type: 'day', at: message.createdAt },
    message: { key, type: 'message', message, height: heightOf(message) },
  };
  known.set(message, rows);
  return rows;
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
  // A stored answer says itself that it failed.
  const failures = openFailures(data).filter(
    ({ messageId }) => messageId === undefined || messages.slice(-4).every(({ id }) => id !== messageId),
  );
  const isBeside = ({ beside }: FailedOutcome): boolean => turn !== null && beside === turn.id;
  for (const outcome of failures) if (!isBeside(outcome)) rows.push(failureRow(outcome));
  for (const transcript of transcripts)
    rows.push({ key: `${transcript.voiceSessionId} transcript`, type: 'transcript', transcript });
  const answer = turn?.messageId;
  const isStored = answer !== undefined && messages.some(({ id }) => id === answer);
  const running: Row | undefined = turn && !isStored ? { key: keyOf(turn.id, 'agent'), type: 'turn', turn } : undefined;
  // What waits for the running answer is said after it.
  const own = outgoing.find(({ turnId }) => turnId === turn?.id);
  if (own) rows.push({ key: keyOf(own.turnId, 'human'), type: 'outgoing', outgoing: own });
  if (running) rows.push(running);
  for (const outcome of failures) if (isBeside(outcome)) rows.push(failureRow(outcome));
  for (const each of outgoing)
    if (each !== own) rows.push({ key: keyOf(each.turnId, 'human'), type: 'outgoing', outgoing: each });
  if (listening && transcripts.length === 0)
    rows.push({ key: `${listening.voiceSessionId} listening`, type: 'listening', text: listening.text });
  return rows;
}

function failureRow(outcome: FailedOutcome): Row {
  return { key: `${outcome.turnId} failure`, type: 'failure', outcome };
}

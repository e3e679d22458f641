import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { newId } from '@parley/shared/id';
import type { Parley } from '../connect.ts';
import { failureOf } from '../failure.ts';
import type { ExportedTurn } from './replay-export.ts';
import type { Inbox } from './replay-inbox.ts';
import { readRecording } from './say-recording.ts';
import { sendWhole } from './say-send.ts';

/** What became of one turn of the export. */
export type Replayed =
  /** It was said again, and has ended. `note`: what was not as it was, and is no difference. */
  | { kind: 'replayed'; turnId: string; asText: boolean; note?: string }
  /** The server did not take it, or it did not end. */
  | { kind: 'broken'; why: string }
  /** It cannot be said again. */
  | { kind: 'skipped'; why: string };

export interface ReplayTarget {
  parley: Parley;
  conversationId: string;
  inbox: Inbox;
  /** Milliseconds that a turn may take. */
  patienceMs: number;
  /** Where the recordings of voice turns are, named by their voice session. */
  recordings: string | undefined;
  signal: AbortSignal;
}

/** Says one turn again and waits for its end. `done`: what the turns before it became. */
export async function replayTurn(
  target: ReplayTarget,
  turn: ExportedTurn,
  done: ReadonlyMap<string, string>,
): Promise<Replayed> {
  try {
    const begun = await begin(target, turn, done);
    return begun.kind === 'replayed' ? await finish(target, turn, begun) : begun;
  } catch (error) {
    const { message, reason } = failureOf(error);
    const isFile = reason === 'NOT_FOUND' && turn.parts.some((part) => part.type === 'attachment');
    if (isFile) return { kind: 'skipped', why: 'its attachment is not on this server; files are no part of an export' };
    return { kind: 'broken', why: `was not taken: ${message} (${reason})` };
  }
}

async function begin(target: ReplayTarget, turn: ExportedTurn, done: ReadonlyMap<string, string>): Promise<Replayed> {
  const { parley, conversationId } = target;
  if (turn.retryOf !== undefined) return await retry(target, done.get(turn.retryOf));
  if (turn.input === 'call') return { kind: 'skipped', why: 'was said in a call, whose sound is no part of an export' };
  if (turn.input === 'greeting') {
    const { greetingTurnId } = await parley.trpc.conversations.open.mutate({ conversationId });
    if (greetingTurnId === undefined) return { kind: 'skipped', why: 'the agent greets only while nobody has spoken' };
    return { kind: 'replayed', turnId: greetingTurnId, asText: false };
  }
  const turnId = newId();
  if (turn.input === 'voice') {
    const file = await recordingOf(target.recordings, turn);
    if (file !== undefined) {
      const recording = await readRecording(file, false);
      await sendWhole(parley, conversationId, recording, {
        turnId,
        speak: turn.extras.speak ?? true,
        signal: target.signal,
      });
      return { kind: 'replayed', turnId, asText: false };
    }
    if (turn.parts.length === 0)
      return { kind: 'skipped', why: 'nothing was understood of it, and its recording is no part of an export' };
  }
  const asText = turn.input === 'voice';
  // As a spoken input is, it is answered aloud.
  const speak = turn.extras.speak ?? (asText ? true : undefined);
  const { pageContext, assistantId, model } = turn.extras;
  await parley.trpc.turns.send.mutate({
    conversationId,
    turnId,
    parts: turn.parts,
    ...(isJson(pageContext) && { pageContext }),
    ...(assistantId !== undefined && { assistantId }),
    ...(model !== undefined && { model }),
    ...(speak !== undefined && { speak }),
  });
  return { kind: 'replayed', turnId, asText };
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** It was read from a file of JSON. */
function isJson(value: unknown): value is Json {
  return value !== undefined;
}

async function retry({ parley }: ReplayTarget, turnId: string | undefined): Promise<Replayed> {
  if (turnId === undefined) return { kind: 'skipped', why: 'what it tries again was not replayed' };
  const { status } = await parley.trpc.turns.get.query({ turnId });
  if (status === 'completed') return { kind: 'skipped', why: 'what it tries again was completed this time' };
  const sent = await parley.trpc.turns.retry.mutate({ turnId });
  return { kind: 'replayed', turnId: sent.turnId, asText: false };
}

async function recordingOf(folder: string | undefined, turn: ExportedTurn): Promise<string | undefined> {
  if (folder === undefined || turn.voiceSessionId === undefined) return undefined;
  const names = await readdir(folder);
  const name = names.find((entry) => path.parse(entry).name === turn.voiceSessionId);
  return name === undefined ? undefined : path.join(folder, name);
}

/** How long an end that the server tells of may take to come by itself, in milliseconds. */
const graceMs = 10_000;

async function finish(
  { parley, conversationId, inbox, patienceMs }: ReplayTarget,
  turn: ExportedTurn,
  begun: Extract<Replayed, { kind: 'replayed' }>,
): Promise<Replayed> {
  const { turnId } = begun;
  const hasEnded = (): boolean => inbox.hasEnded(turnId);
  let note: string | undefined;
  if (turn.status === 'interrupted') {
    const isThere = (): boolean => deliveredOf(inbox, turnId) >= turn.text.length && inbox.of(turnId).length > 0;
    const isDue = await inbox.when(() => hasEnded() || isThere(), patienceMs);
    const interrupted =
      isDue && !hasEnded() ? (await parley.trpc.turns.interrupt.mutate({ conversationId, turnId })).interrupted : false;
    if (!interrupted) note = 'it ended before it could be interrupted as it was';
  }
  if (!(await inbox.when(hasEnded, patienceMs))) {
    const { status } = await parley.trpc.turns.get.query({ turnId });
    if (status === 'running' || status === 'queued')
      return { kind: 'broken', why: `has not ended after ${Math.round(patienceMs / 1000)} s` };
    if (!(await inbox.when(hasEnded, graceMs)))
      return { kind: 'broken', why: `is ${status}, but no event has told of its end` };
  }
  return { ...begun, ...(note !== undefined && { note }) };
}

/** Characters of the answer that have come. */
function deliveredOf(inbox: Inbox, turnId: string): number {
  return inbox.of(turnId).reduce((sum, event) => sum + (event.type === 'agent.delta' ? event.text.length : 0), 0);
}

import { createHash } from 'node:crypto';
import type { Trx } from '@parley/db/connect';
import { getConversation, lockConversation, type Owner } from '@parley/db/repository/conversation';
import { listSegments, putSegment, reviveSegment, type SegmentRow } from '@parley/db/repository/segment';
import { findSession, lockSession, updateSession, type VoiceSessionRow } from '@parley/db/repository/voice-session';
import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import type { SegmentReceipt, SendSegmentInput } from '@parley/shared/voice';
import type { HeldSound } from './held.ts';
import type { VoicePorts } from './ports.ts';
import type { TranscriptionQueue } from './queue.ts';
import { missingOf } from './reconcile.ts';
import { advance, type Session } from './session.ts';
import { millisecondsOf } from './transcribe.ts';

/** What a segment is by itself, known before anything is stored. */
interface Decoded {
  /** None when it cannot be decoded. */
  durationMs: number | null;
  /** Its sound, in which speech is looked for while the segment is being stored; none where there was no place for it. */
  held: HeldSound | undefined;
}

type Received =
  | { kind: 'accepted'; row: SegmentRow; held: HeldSound | undefined; receipt: SegmentReceipt }
  | { kind: 'duplicate'; receipt: SegmentReceipt }
  /** It is stored, but there is nothing in it to transcribe. */
  | { kind: 'undecodable' }
  /** It was not decoded because it was known, and has failed since. */
  | { kind: 'undecoded' };

/**
 * Takes one segment of a recording: stored, acknowledged, then transcribed. `countTurn` is asked before the end of a recording
 * is stored, and throws to refuse it.
 * @throws ParleyError NOT_FOUND, CONVERSATION_ENDED, SEGMENT_CONFLICT, PAYLOAD_TOO_LARGE, UNSUPPORTED_FORMAT, PROTOCOL_ORDER after
 * its recording was cancelled, UNAVAILABLE while too much is being decoded, and TRANSCRIPTION_FAILED for sound that cannot be
 * decoded, which stays stored until its client sends it anew
 */
export async function receiveSegment(
  ports: VoicePorts,
  queue: TranscriptionQueue,
  owner: Owner,
  input: SendSegmentInput,
  countTurn: () => Promise<void>,
): Promise<SegmentReceipt> {
  const { db } = ports.turns;
  const sha256 = createHash('sha256').update(input.data).digest();
  const session: Session = { conversationId: input.conversationId, voiceSessionId: input.voiceSessionId, owner };
  const [segments, before] = await Promise.all([
    listSegments(db, session),
    input.isLast ? findSession(db, session) : undefined,
    getConversation(db, owner, input.conversationId),
  ]);
  const known = segments.find((segment) => segment.index === input.index);
  // A segment that is stored already is not worth decoding again.
  const repeated = known?.sha256.equals(sha256) && known.status !== 'failed';
  let isCounted = !input.isLast || (before?.last_index ?? null) !== null;
  const settle = async (decoded?: Decoded): Promise<Received> => {
    let received: Received | undefined;
    try {
      if (!isCounted) await countTurn();
      isCounted = true;
      received = await take(ports, session, input, sha256, decoded);
      return received;
    } finally {
      if (received?.kind !== 'accepted') decoded?.held?.drop();
    }
  };
  let received = await settle(repeated ? undefined : await decodeSegment(ports, queue, input));
  if (received.kind === 'undecoded') received = await settle(await decodeSegment(ports, queue, input));
  switch (received.kind) {
    case 'accepted': {
      const { id, sample_rate: sampleRate } = received.row;
      queue.add({ id, index: input.index, session, format: input.format, sampleRate, held: received.held });
      return received.receipt;
    }
    case 'duplicate':
      if (received.receipt.missing.length === 0) await advance(ports, session);
      return received.receipt;
    default:
      await advance(ports, session);
      throw new ParleyError('TRANSCRIPTION_FAILED', { details: { index: input.index } });
  }
}

/** Stores a segment unless it is known, one of a recording at a time. */
async function take(
  ports: VoicePorts,
  session: Session,
  input: SendSegmentInput,
  sha256: Buffer,
  decoded: Decoded | undefined,
): Promise<Received> {
  return await ports.turns.db.transaction().execute(async (trx): Promise<Received> => {
    const conversation = await lockConversation(trx, session.owner, input.conversationId);
    const row = await lockSession(trx, session.owner, session, newId());
    const segments = await listSegments(trx, session);
    const same = segments.find((segment) => segment.index === input.index);
    if (row.status === 'cancelled') throw new ParleyError('PROTOCOL_ORDER', { details: { cancelled: true } });
    checkLast(row, segments, input);
    if (same && same.status !== 'failed') {
      if (!same.sha256.equals(sha256)) throw new ParleyError('SEGMENT_CONFLICT', { details: { index: input.index } });
      const now = await note(trx, session, row, input, false);
      return { kind: 'duplicate', receipt: receiptOf('duplicate', now, segments) };
    }
    if (!decoded) return { kind: 'undecoded' };
    if (conversation.status === 'ended') throw new ParleyError('CONVERSATION_ENDED');
    checkPlace(row, segments, input, decoded);
    const stored = await store(trx, ports, session, same, { input, decoded, sha256 });
    const now = await note(trx, session, row, input, decoded.durationMs !== null);
    if (decoded.durationMs === null) return { kind: 'undecodable' };
    const receipt = receiptOf('accepted', now, [...segments, stored]);
    return { kind: 'accepted', row: stored, held: decoded.held, receipt };
  });
}

/** The segment's row with its sound: a new one, or the one that failed when its client sends the same again. */
async function store(
  trx: Trx,
  ports: VoicePorts,
  session: Session,
  failed: SegmentRow | undefined,
  { input, decoded, sha256 }: { input: SendSegmentInput; decoded: Decoded; sha256: Buffer },
): Promise<SegmentRow> {
  const { leaseMs } = ports.turns;
  if (failed?.sha256.equals(sha256)) {
    if (decoded.durationMs !== null) await reviveSegment(trx, failed.id, leaseMs);
    return failed;
  }
  const { index, isLast, format, sampleRate = null, data } = input;
  const { durationMs } = decoded;
  const status = durationMs === null ? 'failed' : 'stored';
  const segment = { id: newId(), index, isLast, format, sampleRate, durationMs, sha256, data };
  return await putSegment(trx, session.owner, session, { ...segment, status }, leaseMs);
}

async function decodeSegment(ports: VoicePorts, queue: TranscriptionQueue, input: SendSegmentInput): Promise<Decoded> {
  try {
    const sound = await ports.decode(input, limits.segmentSeconds);
    return { durationMs: millisecondsOf(sound), held: queue.held.hold(sound) };
  } catch (error) {
    if (error instanceof ParleyError && error.reason === 'TRANSCRIPTION_FAILED')
      return { durationMs: null, held: undefined };
    throw error;
  }
}

type Noted = Pick<VoiceSessionRow, 'last_index' | 'turn_id'>;

/**
 * Remembers that something has come, and which segment is the last; the first time, the wait for missing ones begins. What comes
 * of a recording that had failed opens it again, with a new turn: something `isNew`, or that a known segment was the last.
 */
async function note(
  trx: Trx,
  session: Session,
  row: VoiceSessionRow,
  input: SendSegmentInput,
  isNew: boolean,
): Promise<Noted> {
  const ends = input.isLast && row.last_index === null;
  const opens = row.status === 'failed' && (isNew || ends);
  const noted: Noted = {
    last_index: ends ? input.index : row.last_index,
    turn_id: opens ? newId() : row.turn_id,
  };
  const speak = ends ? (input.speak ?? null) : null;
  if (isNew || ends)
    await updateSession(trx, session, { ...noted, speak, ...(opens && { status: 'open' }), lastCame: ends || opens });
  return noted;
}

/** A recording has one last segment, and none behind it. */
function checkLast(row: VoiceSessionRow, segments: readonly SegmentRow[], input: SendSegmentInput): void {
  const lastIndex = row.last_index ?? (input.isLast ? input.index : null);
  if (lastIndex === null) return;
  const highest = Math.max(input.index, ...segments.map((segment) => segment.index));
  if (highest > lastIndex || (input.isLast && input.index !== lastIndex))
    throw new ParleyError('SEGMENT_CONFLICT', { details: { lastIndex: row.last_index ?? highest } });
}

function checkPlace(
  row: VoiceSessionRow,
  segments: readonly SegmentRow[],
  input: SendSegmentInput,
  decoded: Decoded,
): void {
  if (row.status === 'done')
    throw new ParleyError('SEGMENT_CONFLICT', { details: { lastIndex: row.last_index ?? input.index } });
  const others = segments.filter((segment) => segment.index !== input.index);
  const soFar = others.reduce((sum, segment) => sum + (segment.duration_ms ?? 0), 0);
  if (soFar + (decoded.durationMs ?? 0) > limits.voiceSessionSeconds * 1000)
    throw new ParleyError('PAYLOAD_TOO_LARGE', { details: { seconds: limits.voiceSessionSeconds } });
}

function receiptOf(status: SegmentReceipt['status'], noted: Noted, segments: readonly SegmentRow[]): SegmentReceipt {
  return { status, missing: missingOf(segments, noted.last_index), turnId: noted.turn_id };
}

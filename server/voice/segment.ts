import { createHash } from 'node:crypto';
import type { Trx } from '@parley/db/connect';
import { getConversation, lockConversation, type Owner } from '@parley/db/repository/conversation';
import {
  listSegments,
  lockSession,
  putSegment,
  reviveSegment,
  type SegmentRow,
  updateSession,
  type VoiceSessionRow,
} from '@parley/db/repository/segment';
import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import type { SegmentReceipt, SendSegmentInput } from '@parley/shared/voice';
import type { Sound } from '../speech/port.ts';
import type { VoicePorts } from './ports.ts';
import type { TranscriptionQueue } from './queue.ts';
import { missingOf } from './reconcile.ts';
import { advance, type Session } from './session.ts';
import { millisecondsOf } from './transcribe.ts';

/** What a segment is by itself, known before anything is stored. */
interface Decoded {
  sound: Sound | undefined;
  durationMs: number | null;
}

type Received =
  | { kind: 'accepted'; row: SegmentRow; sound: Sound; receipt: SegmentReceipt }
  | { kind: 'duplicate'; receipt: SegmentReceipt }
  /** It is stored, but there is nothing in it to transcribe. */
  | { kind: 'undecodable' }
  /** It was not decoded because it was known, and has failed since. */
  | { kind: 'undecoded' };

/**
 * Takes one segment of a recording: stored, acknowledged, then transcribed.
 * @throws ParleyError NOT_FOUND, CONVERSATION_ENDED, SEGMENT_CONFLICT, PAYLOAD_TOO_LARGE, UNSUPPORTED_FORMAT, and
 * TRANSCRIPTION_FAILED for sound that cannot be decoded, which stays stored until its client sends it anew
 */
export async function receiveSegment(
  ports: VoicePorts,
  queue: TranscriptionQueue,
  owner: Owner,
  input: SendSegmentInput,
): Promise<SegmentReceipt> {
  const { db } = ports.turns;
  const sha256 = createHash('sha256').update(input.data).digest();
  const session: Session = { conversationId: input.conversationId, voiceSessionId: input.voiceSessionId, owner };
  await getConversation(db, owner, input.conversationId);
  const known = (await listSegments(db, session)).find((segment) => segment.index === input.index);
  // A segment that is stored already is not worth decoding again.
  const repeated = known?.sha256.equals(sha256) && known.status !== 'failed';
  let received = await take(ports, session, input, sha256, repeated ? undefined : await decodeSegment(ports, input));
  if (received.kind === 'undecoded')
    received = await take(ports, session, input, sha256, await decodeSegment(ports, input));
  switch (received.kind) {
    case 'accepted': {
      const { id, sample_rate: sampleRate } = received.row;
      queue.add({ id, index: input.index, session, format: input.format, sampleRate, sound: received.sound });
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
    checkLast(row, segments, input);
    if (same && same.status !== 'failed') {
      if (!same.sha256.equals(sha256)) throw new ParleyError('SEGMENT_CONFLICT', { details: { index: input.index } });
      const lastIndex = await noteLast(trx, session, row, input);
      return { kind: 'duplicate', receipt: receiptOf('duplicate', row, segments, lastIndex) };
    }
    if (!decoded) return { kind: 'undecoded' };
    if (conversation.status === 'ended') throw new ParleyError('CONVERSATION_ENDED');
    checkPlace(row, segments, input, decoded);
    const lastIndex = await noteLast(trx, session, row, input);
    const stored = await store(trx, ports, session, same, { input, decoded, sha256 });
    if (!decoded.sound) return { kind: 'undecodable' };
    const turnId = row.status === 'failed' ? newId() : row.turn_id;
    if (row.status === 'failed') await updateSession(trx, session, { status: 'open', turn_id: turnId, lastCame: true });
    const receipt = receiptOf('accepted', { ...row, turn_id: turnId }, [...segments, stored], lastIndex);
    return { kind: 'accepted', row: stored, sound: decoded.sound, receipt };
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
    if (decoded.sound) await reviveSegment(trx, failed.id, leaseMs);
    return failed;
  }
  const { index, isLast, format, sampleRate = null, data } = input;
  const { sound, durationMs } = decoded;
  const segment = { id: newId(), index, isLast, format, sampleRate, durationMs, sha256, data };
  return await putSegment(trx, session.owner, session, { ...segment, status: sound ? 'stored' : 'failed' }, leaseMs);
}

async function decodeSegment(ports: VoicePorts, input: SendSegmentInput): Promise<Decoded> {
  try {
    const sound = await ports.decode(input, limits.segmentSeconds);
    return { sound, durationMs: millisecondsOf(sound) };
  } catch (error) {
    if (error instanceof ParleyError && error.reason === 'TRANSCRIPTION_FAILED')
      return { sound: undefined, durationMs: null };
    throw error;
  }
}

/** Remembers which segment is the last; the first time, the wait for missing ones begins. */
async function noteLast(
  trx: Trx,
  session: Session,
  row: VoiceSessionRow,
  input: SendSegmentInput,
): Promise<number | null> {
  if (!input.isLast) return row.last_index;
  if (row.last_index === null) await updateSession(trx, session, { last_index: input.index, lastCame: true });
  return input.index;
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

function receiptOf(
  status: SegmentReceipt['status'],
  row: VoiceSessionRow,
  segments: readonly SegmentRow[],
  lastIndex: number | null,
): SegmentReceipt {
  return { status, missing: missingOf(segments, lastIndex), turnId: row.turn_id };
}

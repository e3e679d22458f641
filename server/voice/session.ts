import { isDeepStrictEqual } from 'node:util';
import type { Owner } from '@parley/db/repository/conversation';
import { linkSegments, listSegments, type SegmentRow } from '@parley/db/repository/segment';
import {
  findSession,
  lockSession,
  type SessionKey,
  sinceLast,
  updateSession,
  type VoiceSessionRow,
} from '@parley/db/repository/voice-session';
import { newId } from '@parley/shared/id';
import { ParleyError, type Reason } from '@parley/shared/reason';
import { failTurn } from '../turn/fail.ts';
import { publish } from '../turn/publish.ts';
import { submit } from '../turn/send.ts';
import { nameOf, type VoicePorts } from './ports.ts';
import { joinTexts, reconcile, type SessionState } from './reconcile.ts';

/** What a session's work needs: to be found again from its row alone. */
export interface Session extends SessionKey {
  owner: Owner;
}

export function sessionOf(row: VoiceSessionRow): Session {
  return {
    conversationId: row.conversation_id,
    voiceSessionId: row.id,
    owner: { tenant: row.tenant_id, userId: row.user_id },
  };
}

/**
 * Looks at where a recording stands and does what follows: tells what has been understood so far, makes the turn of a recording
 * that is complete, or fails one that cannot become complete. Any number of replicas may look at once.
 */
export async function advance(ports: VoicePorts, session: Session): Promise<void> {
  const { state, row } = await look(ports, session);
  if (row?.status !== 'open') return;
  switch (state.kind) {
    case 'recording':
    case 'transcribing':
      return;
    case 'incomplete':
      if ((await sinceLast(ports.turns.db, session)) >= ports.timing.missingMs)
        await fail(ports, session, state, 'SEGMENTS_MISSING', { missing: state.missing });
      return;
    case 'failed':
      return await fail(ports, session, state, 'TRANSCRIPTION_FAILED', { segments: state.indexes });
    case 'silent':
      return await fail(ports, session, state, 'NO_SPEECH', {});
    case 'complete':
      return await complete(ports, session, row, state);
  }
}

async function look(
  ports: VoicePorts,
  session: Session,
): Promise<{ state: SessionState; row: VoiceSessionRow | undefined }> {
  const { db } = ports.turns;
  const [row, segments] = await Promise.all([findSession(db, session), listSegments(db, session)]);
  return { row, state: stateOf(segments, row?.last_index ?? null) };
}

function stateOf(segments: readonly SegmentRow[], lastIndex: number | null): SessionState {
  return reconcile(
    segments.map((segment) => ({ ...segment, durationMs: segment.duration_ms })),
    lastIndex,
  );
}

/**
 * The texts that are known so far, in order, while a recording goes on. Told under the session's lock: each partial knows at
 * least as many segments as the one before, and none comes after the turn has begun. `underWay`: a segment that the service still
 * listens to.
 */
export async function tellPartial(
  ports: VoicePorts,
  session: Session,
  underWay?: { index: number; text: string },
): Promise<void> {
  await ports.turns.db.transaction().execute(async (trx) => {
    const row = await lockSession(trx, session.owner, session, newId());
    const segments = (await listSegments(trx, session)).filter((segment) => segment.status === 'transcribed');
    const texts = segments.map(({ index, text }) => ({ index, text: text ?? '' }));
    if (underWay) texts.push(underWay);
    if (row.status !== 'open' || texts.length === 0) return;
    await publish(
      { db: trx, log: ports.turns.log },
      {
        type: 'transcript.partial',
        conversationId: session.conversationId,
        at: Date.now(),
        voiceSessionId: session.voiceSessionId,
        text: joinTexts(texts.sort((a, b) => a.index - b.index).map(({ text }) => text)),
        durationMs: segments.reduce((sum, segment) => sum + (segment.duration_ms ?? 0), 0),
        segments: segments.map((segment) => segment.index),
      },
    );
  });
}

/** Somebody else has done it: not an error, and nothing was written. */
class AlreadyDone extends Error {
  override readonly name = 'AlreadyDone';
}

async function complete(
  ports: VoicePorts,
  session: Session,
  row: VoiceSessionRow,
  state: Extract<SessionState, { kind: 'complete' }>,
): Promise<void> {
  try {
    await submit(ports.turns, ports.runner, {
      owner: session.owner,
      conversationId: session.conversationId,
      turnId: row.turn_id,
      input: 'voice',
      request: {
        parts: [{ type: 'text', text: state.text }],
        audio: session.voiceSessionId,
        sttMs: row.stt_ms,
        stt: nameOf(ports.transcriber),
        ...(row.speak !== null && { speak: row.speak }),
      },
      message: {
        parts: [{ type: 'text', text: state.text }],
        voice: {
          voiceSessionId: session.voiceSessionId,
          durationMs: Math.max(1, Math.round(state.durationMs)),
          segmentIds: state.segmentIds,
        },
      },
      retryOf: null,
      // What was said is never refused because the agent is still speaking.
      onBusy: 'queue',
      check: async (trx) => {
        const held = await lockSession(trx, session.owner, session, row.turn_id);
        if (held.status !== 'open' || held.turn_id !== row.turn_id) throw new AlreadyDone();
        await updateSession(trx, session, { status: 'done' });
      },
      stored: async (trx, { turnId, userMessageId }) => {
        if (userMessageId) await linkSegments(trx, state.segmentIds, { turnId, userMessageId });
      },
    });
  } catch (error) {
    if (error instanceof AlreadyDone) return;
    // A full queue, or a database that is away: the sweep looks again.
    if (error instanceof ParleyError && error.retryable) return;
    // Whoever was told of its turn is told of its end too.
    if (error instanceof ParleyError && error.reason === 'CONVERSATION_ENDED')
      return await fail(ports, session, state, error.reason, {});
    if (error instanceof ParleyError) {
      await updateSession(ports.turns.db, session, { status: 'failed' });
      return;
    }
    throw error;
  }
}

/** `still`: looked at under the session's lock, beside whether it stands where it stood. */
export async function fail(
  ports: VoicePorts,
  session: Session,
  state: SessionState,
  code: Reason,
  details: Record<string, number[]>,
  still: (held: VoiceSessionRow) => boolean = () => true,
): Promise<void> {
  try {
    await failTurn(ports.turns, {
      owner: session.owner,
      conversationId: session.conversationId,
      input: 'voice',
      code,
      details,
      request: { parts: [], audio: session.voiceSessionId },
      claim: async (trx) => {
        const held = await lockSession(trx, session.owner, session, newId());
        if (held.status !== 'open' || !still(held)) return undefined;
        // A segment may have come since: whoever took it goes on from there.
        const now = stateOf(await listSegments(trx, session), held.last_index);
        if (!isDeepStrictEqual(now, state)) return undefined;
        await updateSession(trx, session, { status: 'failed' });
        return held.turn_id;
      },
    });
  } catch (error) {
    if (!(error instanceof ParleyError) || error.retryable) throw error;
    // Its conversation is gone: there is nobody to tell.
    await updateSession(ports.turns.db, session, { status: 'failed' });
  }
}

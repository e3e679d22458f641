import { getConversation } from '@parley/db/repository/conversation';
import { listSegments } from '@parley/db/repository/segment';
import { closeUnchanged, listQuietSessions, type VoiceSessionRow } from '@parley/db/repository/voice-session';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import type { VoicePorts } from './ports.ts';
import { missingOf } from './reconcile.ts';
import { fail, sessionOf } from './session.ts';

/**
 * Closes recordings whose last segment has not come and of which nothing has come for a while. What is stored stays stored: a
 * segment that comes after all opens its recording again, with a new turn. `limit`: of recordings that are looked at.
 */
export async function closeAbandoned(ports: VoicePorts, limit: number): Promise<void> {
  const rows = await listQuietSessions(ports.turns.db, 'missing', ports.timing.openMs, limit);
  for (const row of rows) await close(ports, row);
}

/** Whoever spoke into it is told that the rest is missing, unless nothing was said or there is nobody to tell. */
async function close(ports: VoicePorts, row: VoiceSessionRow): Promise<void> {
  const session = sessionOf(row);
  const segments = await listSegments(ports.turns.db, session);
  if (segments.length === 0 || !(await isActive(ports, row))) {
    await closeUnchanged(ports.turns.db, row);
    return;
  }
  const missing = missingOf(segments, null);
  const next = Math.max(...segments.map(({ index }) => index)) + 1;
  const wanted = next > limits.segmentIndex ? missing : [...missing, next];
  const isStill = (held: VoiceSessionRow): boolean => held.changed_at.getTime() === row.changed_at.getTime();
  await fail(ports, session, { kind: 'recording', missing }, 'SEGMENTS_MISSING', { missing: wanted }, isStill);
}

async function isActive(ports: VoicePorts, row: VoiceSessionRow): Promise<boolean> {
  try {
    const { owner } = sessionOf(row);
    return (await getConversation(ports.turns.db, owner, row.conversation_id)).status === 'active';
  } catch (error) {
    if (error instanceof ParleyError) return false;
    throw error;
  }
}

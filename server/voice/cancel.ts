import { lockConversation, type Owner } from '@parley/db/repository/conversation';
import { cancelSession, type SessionKey } from '@parley/db/repository/voice-session';
import { newId } from '@parley/shared/id';
import type { CancelledRecording } from '@parley/shared/voice';
import { publish } from '../turn/publish.ts';
import type { VoicePorts } from './ports.ts';

/**
 * Gives a recording up: no turn comes of it, its sound and its texts are gone, and what comes of it later is refused. One whose
 * turn has begun stays as it is.
 * @throws ParleyError NOT_FOUND
 */
export async function cancelRecording(
  ports: Pick<VoicePorts, 'turns'>,
  owner: Owner,
  key: SessionKey,
): Promise<CancelledRecording> {
  const { conversationId, voiceSessionId } = key;
  const { db } = ports.turns;
  const row = await db.transaction().execute(async (trx) => {
    await lockConversation(trx, owner, conversationId);
    return await cancelSession(trx, owner, key, newId());
  });
  if (row.status === 'done') return { cancelled: false, turnId: row.turn_id };
  // Told once more to whoever asks once more: a crash may have come in between.
  await publish(ports.turns, { type: 'recording.cancelled', conversationId, at: Date.now(), voiceSessionId });
  return { cancelled: true };
}

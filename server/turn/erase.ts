import { forgetFile, listFiles } from '@parley/db/repository/attachment';
import { eraseConversation } from '@parley/db/repository/erasure';
import { Encoded } from '../live/encode.ts';
import type { LogStore } from '../live/port.ts';
import { checkpoint } from './checkpoint.ts';
import type { TurnPorts } from './ports.ts';
import { errorName } from './verdict.ts';

/** Tells subscribers that a conversation is gone; each of them ends at the first such event. */
export async function tellDeleted(log: LogStore, conversationId: string): Promise<void> {
  const event = Encoded.of({ type: 'conversation.deleted', conversationId, at: Date.now() });
  await log.append({ conversationId, events: [event] });
}

/**
 * Removes a deleted conversation from everywhere: database, log, cache and files. Its subscribers are told before, also where a
 * replica that died may have told them already.
 */
export async function erase(ports: TurnPorts, conversationId: string): Promise<void> {
  await tellDeleted(ports.log, conversationId);
  checkpoint('erase.before', conversationId);
  await ports.history.forget(conversationId);
  await ports.log.forget(conversationId);
  checkpoint('erase.middle', conversationId);
  const files = await listFiles(ports.db, conversationId);
  await eraseConversation(ports.db, conversationId);
  await eraseFiles(ports, files);
}

/** What storage does not remove now is noted in the database since its rows went, and swept later. */
async function eraseFiles({ db, files, logger }: TurnPorts, keys: readonly string[]): Promise<void> {
  try {
    for (const key of keys) {
      await files.remove(key);
      await forgetFile(db, key);
    }
  } catch (error) {
    logger.warn({ error: errorName(error) }, 'files not erased yet');
  }
}

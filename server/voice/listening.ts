import { getConversation, type Owner } from '@parley/db/repository/conversation';
import { findUser } from '@parley/db/repository/user';
import { claimListening, lockSession } from '@parley/db/repository/voice-session';
import { type Locale, localeOf } from '@parley/shared/explain';
import { newId } from '@parley/shared/id';
import { ParleyError } from '@parley/shared/reason';
import { publish } from '../turn/publish.ts';
import { errorName } from '../turn/verdict.ts';
import type { VoicePorts } from './ports.ts';
import type { Session } from './session.ts';

/** Recordings of one replica that may wait for their feedback. */
const most = 10_000;

const words: Record<Locale, string> = { en: 'I am listening.', zh: '我在听，请慢慢说。' };

/** Tells a user who speaks for a while that the agent listens: once a recording, and not when it has ended before. */
export class Listening {
  readonly #ports: VoicePorts;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(ports: VoicePorts) {
    this.#ports = ports;
  }

  async started(owner: Owner, key: { conversationId: string; voiceSessionId: string }): Promise<void> {
    const { db } = this.#ports.turns;
    const conversation = await getConversation(db, owner, key.conversationId);
    if (conversation.status === 'ended') throw new ParleyError('CONVERSATION_ENDED');
    await db.transaction().execute((trx) => lockSession(trx, owner, key, newId()));
    const name = JSON.stringify([key.conversationId, key.voiceSessionId]);
    if (this.#timers.has(name) || this.#timers.size >= most) return;
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      void this.#tell({ ...key, owner });
    }, this.#ports.timing.listeningMs);
    this.#timers.set(name, timer);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #tell(session: Session): Promise<void> {
    const { db, log, logger } = this.#ports.turns;
    try {
      const user = await findUser(db, session.owner.tenant, session.owner.userId);
      // Told under the session's lock, as partial texts are: nothing comes of a recording after it was cancelled.
      await db.transaction().execute(async (trx) => {
        if (!(await claimListening(trx, session))) return;
        await publish(
          { db: trx, log },
          {
            type: 'agent.listening',
            conversationId: session.conversationId,
            at: Date.now(),
            voiceSessionId: session.voiceSessionId,
            text: words[localeOf(user?.locale)],
          },
        );
      });
    } catch (error) {
      logger.warn({ error: errorName(error) }, 'listening not told');
    }
  }
}

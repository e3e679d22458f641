import { listUntoldEnds } from '@parley/db/repository/conversation';
import { listDeleted } from '@parley/db/repository/erasure';
import { findMessage, moveToEnd } from '@parley/db/repository/message';
import { promoteNext, type TurnRow } from '@parley/db/repository/turn';
import { listStranded, listUnannounced, type TakenOver, takeOver } from '@parley/db/repository/turn-lease';
import { findProgress } from '@parley/db/repository/turn-progress';
import { announceEnd, announceUnrun } from './announce.ts';
import { checkpoint } from './checkpoint.ts';
import { tellEnd } from './close.ts';
import { erase } from './erase.ts';
import { localeOfUser } from './locale.ts';
import type { TurnPorts } from './ports.ts';
import type { TurnRunner } from './runner.ts';
import { settle } from './settle.ts';
import { errorName } from './verdict.ts';

/** How often a replica looks for what others left behind. With a lease of 10 s a turn ends within 15 s of its owner. */
const sweepMs = 2_000;
const batch = 50;

/**
 * Finishes what replicas that died left undone: running turns whose lease ran out, turns that wait behind nothing, ends that
 * nobody announced, ends of conversations that nobody told, conversations to erase. Any number of replicas may do so at once.
 */
export class Takeover {
  readonly #ports: TurnPorts;
  readonly #runner: TurnRunner;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  readonly #ending = new Map<string, Promise<void>>();

  constructor(ports: TurnPorts, runner: TurnRunner) {
    this.#ports = ports;
    this.#runner = runner;
  }

  /**
   * `alone`: no other replica can be alive on this database, so that every other owner is dead. `ownLog`: the event log is this
   * process's own; ends that a predecessor left are announced in it before anybody subscribes, who may have seen them there.
   */
  async start({ alone, ownLog }: { alone: boolean; ownLog: boolean }): Promise<void> {
    await this.sweep({ alone, announceMs: ownLog ? 0 : this.#ports.leaseMs });
    this.#timer = setInterval(() => void this.sweep(), sweepMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
    await Promise.all(this.#ending.values());
  }

  /** `announceMs`: how long ago a turn has ended that its own replica will not announce any more. */
  async sweep({ alone = false, announceMs = this.#ports.leaseMs } = {}): Promise<void> {
    this.#sweeping ??= this.#sweep(alone, announceMs)
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#sweeping = undefined;
      });
    await this.#sweeping;
  }

  async #sweep(alone: boolean, announceMs: number): Promise<void> {
    const { db, leaseMs } = this.#ports;
    // A process that was stopped past its leases, and whose turns nobody took over, keeps them.
    await this.#runner.leases.renew();
    const claimedAt = performance.now();
    const turns = await takeOver(db, this.#runner.claim, {
      limit: batch,
      others: alone,
      runs: this.#runner.running,
    });
    await Promise.all(turns.map((turn) => this.#apart(this.#resume(turn, claimedAt))));
    for (const { conversation_id } of await listStranded(db, batch)) await this.#apart(this.#promote(conversation_id));
    for (const turn of await listUnannounced(db, announceMs, batch)) await this.#apart(this.#announce(turn));
    for (const { id } of await listUntoldEnds(db, announceMs, batch)) this.#end(id);
    for (const { id } of await listDeleted(db, leaseMs, batch)) await this.#apart(erase(this.#ports, id));
  }

  /** Not waited for: another replica may take its time to stop a turn. */
  #end(conversationId: string): void {
    if (this.#ending.has(conversationId)) return;
    const work = this.#apart(tellEnd(this.#ports, this.#runner, conversationId)).finally(() =>
      this.#ending.delete(conversationId),
    );
    this.#ending.set(conversationId, work);
  }

  /** What cannot be done for one is tried again by a later sweep, and keeps nobody else from theirs. */
  async #apart(task: Promise<void>): Promise<void> {
    await task.catch((error: unknown) => this.#report(error));
  }

  #report(error: unknown): void {
    this.#ports.logger.warn({ error: errorName(error) }, 'sweep not finished');
  }

  /** Nothing delivered yet: runs the turn again. Something delivered: keeps that, and the turn has failed. */
  async #resume(turn: TakenOver, claimedAt: number): Promise<void> {
    const { db, log, logger } = this.#ports;
    checkpoint('takeover.claimed', turn.id);
    // First: an owner before this one may wake up in the middle of an append.
    const head = await log.claim(turn.conversation_id, turn);
    const logged = head.running?.turnId === turn.id ? head.running.bubbles : undefined;
    const recorded = await findProgress(db, turn.id);
    const delivered = longer(logged ?? [], recorded ?? []);
    logger.info({ turnId: turn.id, generation: turn.generation, again: delivered.length === 0 }, 'turn taken over');
    if (delivered.length === 0 && !turn.interrupt_requested) {
      this.#runner.start({ turn, claimedAt, begun: logged !== undefined });
      return;
    }
    const settlement = await settle(
      db,
      turn,
      {
        ...(turn.interrupt_requested ? { status: 'interrupted' } : { status: 'failed', code: 'OWNER_LOST' }),
        bubbles: delivered,
        metrics: { totalMs: Math.round(turn.age_ms) },
      },
      this.#runner.claim,
    );
    if (settlement.kind !== 'settled') return;
    await this.#runner.conclude(settlement, await localeOfUser(db, turn), delivered);
  }

  async #promote(conversationId: string): Promise<void> {
    const claimedAt = performance.now();
    const claimed = await this.#ports.db.transaction().execute(async (trx) => {
      const conversation = await trx
        .selectFrom('conversations')
        .select('id')
        .where('id', '=', conversationId)
        .where('status', '=', 'active')
        .where('deleted_at', 'is', null)
        .forUpdate()
        .executeTakeFirst();
      const running = await trx
        .selectFrom('turns')
        .select('id')
        .where('conversation_id', '=', conversationId)
        .where('status', '=', 'running')
        .executeTakeFirst();
      if (!conversation || running) return undefined;
      const turn = await promoteNext(trx, conversationId, this.#runner.claim);
      const message = turn?.user_message_id ? await moveToEnd(trx, conversationId, turn.user_message_id) : null;
      return turn && { turn, message, claimedAt };
    });
    if (claimed) this.#runner.start(claimed);
  }

  async #announce(turn: TurnRow): Promise<void> {
    const locale = await localeOfUser(this.#ports.db, turn);
    // Nobody has run it, so that nobody has told of it.
    if (turn.owner === null) return await announceUnrun(this.#ports, turn, locale);
    const message = turn.agent_message_id ? await findMessage(this.#ports.db, turn.agent_message_id) : undefined;
    await announceEnd(this.#ports, { turn, message: message ?? null }, locale);
  }
}

/** Of two records of one answer each is a prefix of the other; the longer one holds all that was delivered. */
function longer(a: readonly string[], b: readonly string[]): readonly string[] {
  return a.join('').length >= b.join('').length ? a : b;
}

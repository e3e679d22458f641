import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '@parley/shared/id';
import { expect } from 'vitest';
import { findViolations, type Log, readStored, type Send, type Stored } from '../support/oracle.ts';
import { type Cluster, type ClusterOptions, type Replica, startCluster } from '../support/replica.ts';
import { describe, type HttpClient, httpClient } from '../support/stock.ts';
import { Watcher } from './watcher.ts';

export interface Sending extends Send {
  /** Sends it, again with the same id when it was sent before; bounded by `signal`. */
  to(replica: Replica, signal?: AbortSignal): Promise<'new' | 'duplicate'>;
  /** As `to`, answering with the reason that it was refused with; `lost` when no answer came. */
  attempt(replica: Replica, signal?: AbortSignal): Promise<string>;
}

/** A cluster with one user, whose every message and every subscriber is judged at the end. */
export interface Crew extends Cluster {
  client(replica: Replica, user?: string): Promise<HttpClient>;
  conversation(replica: Replica): Promise<string>;
  message(conversationId: string, text?: string, options?: { onBusy?: 'reject' | 'interrupt' | 'queue' }): Sending;
  /** Subscribes at the first of these replicas; waits until the server has begun it. */
  watch(conversationId: string, replicas: readonly Replica[], after?: Log): Promise<Watcher>;
  /**
   * A whole turn that all of these see, so that each has an event to resume from: a subscriber that has none begins live, and is
   * not told of a turn that was over before it came back.
   */
  exchange(conversationId: string, replica: Replica, watchers: readonly Watcher[]): Promise<void>;
  /** Resolves with what is stored (of these conversations) when none of their turns runs or waits, and all ends are announced. */
  settled(conversationIds?: readonly string[]): Promise<Stored>;
  /**
   * Waits until they are settled. Fails with all that does not hold between what clients were told and what is stored.
   * Closes their subscribers.
   */
  judge(conversationIds?: readonly string[]): Promise<void>;
}

const user = 'ada';

export async function startCrew(options: ClusterOptions = {}): Promise<Crew> {
  const cluster = await startCluster(options);
  const token = await cluster.token(user);
  const sends: Sending[] = [];
  const watchers: Watcher[] = [];
  const client: Crew['client'] = async (replica, name = user) =>
    httpClient(replica.url, { authorization: `Bearer ${await cluster.token(name)}` });
  const message: Crew['message'] = (conversationId, text = 'hello', { onBusy } = {}) => {
    const sending: Sending = {
      conversationId,
      turnId: newId(),
      text,
      acknowledged: false,
      async to(replica, signal) {
        const { turnId } = sending;
        const { turns } = await client(replica);
        const input = { conversationId, turnId, parts: [{ type: 'text' as const, text }], ...(onBusy && { onBusy }) };
        const sent = await turns.send.mutate(input, signal ? { signal } : {});
        sending.acknowledged = true;
        return sent.duplicate ? 'duplicate' : 'new';
      },
      async attempt(replica, signal) {
        try {
          return await sending.to(replica, signal);
        } catch (error) {
          return describe(error).reason ?? 'lost';
        }
      },
    };
    sends.push(sending);
    return sending;
  };
  const settled = async (conversationIds?: readonly string[]): Promise<Stored> => {
    for (;;) {
      const stored = await readStored(cluster.database.db, conversationIds);
      if (stored.turns.every((turn) => turn.ended_at !== null && turn.announced)) return stored;
      await sleep(50);
    }
  };
  return {
    ...cluster,
    client,
    async conversation(replica) {
      return (await (await client(replica)).conversations.create.mutate({})).id;
    },
    message,
    async watch(conversationId, replicas, after) {
      const name = `watcher ${watchers.length + 1}`;
      const watcher = new Watcher({ name, replicas, token, conversationId, ...(after && { after }) });
      watchers.push(watcher);
      await watcher.started;
      return watcher;
    },
    async exchange(conversationId, replica, watchers) {
      const first = message(conversationId, 'first');
      await first.to(replica);
      await Promise.all(watchers.map((watcher) => watcher.end(first.turnId)));
    },
    settled,
    async judge(conversationIds) {
      const concerned = ({ conversationId }: { conversationId: string }): boolean =>
        conversationIds?.includes(conversationId) ?? true;
      const stored = await settled(conversationIds);
      const logs = watchers.filter(concerned);
      await Promise.all(logs.map((watcher) => watcher.close()));
      const violations = findViolations({ logs, sends: sends.filter(concerned) }, stored);
      expect(violations, violations.length > 0 ? tell(logs) : '').toEqual([]);
    },
    async stop() {
      await Promise.all(watchers.map((watcher) => watcher.close()));
      await cluster.stop();
    },
  };
}

/** What was seen, short enough to read. */
function tell(watchers: readonly Watcher[]): string {
  return watchers
    .map(({ name, connections, endings, events }) => {
      const lines = events.map(({ id, data }) => `  ${id} ${JSON.stringify(data).slice(0, 200)}`);
      return [`${name}: ${connections} connections, ended by the server: ${endings.join(', ')}`, ...lines].join('\n');
    })
    .join('\n')
    .slice(0, 20_000);
}

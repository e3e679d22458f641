import { HistoryReader } from '@parley/server/history/load';
import { type History, type HistoryCache, historyMessages } from '@parley/server/history/port';
import { newId } from '@parley/shared/id';
import type { MessageInEvent } from '@parley/shared/message';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

export function message(conversationId: string, text: string): MessageInEvent {
  const parts: MessageInEvent['parts'] = [{ type: 'text', text }];
  return {
    id: newId(),
    conversationId,
    turnId: newId(),
    role: 'human',
    kind: 'text',
    status: 'complete',
    parts,
    createdAt: 1,
  };
}

export interface HistoryBench {
  /** The caches of two replicas, nearest first. */
  replicas: readonly (readonly HistoryCache[])[];
  close(): Promise<void>;
}

/** A conversation in a database that answers when it likes: after a commit its revision is what every request sees. */
class Row {
  readonly id = newId();
  history: History = { revision: 0, messages: [] };
  loads = 0;

  /** Commits one message. */
  write(text: string): { before: number; after: number; added: MessageInEvent } {
    const added = message(this.id, text);
    const before = this.history.revision;
    this.history = { revision: before + 1, messages: [...this.history.messages, added].slice(-historyMessages) };
    return { before, after: before + 1, added };
  }

  readonly load = async (): Promise<History> => {
    this.loads++;
    const { history } = this;
    for (let i = this.loads % 4; i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    return history;
  };
}

/** The contract of `HistoryCache` and `HistoryReader`, the same for every implementation. */
export function historySuite(name: string, open: () => Promise<HistoryBench>): void {
  describe(name, () => {
    let bench: HistoryBench;
    let row: Row;
    let readers: HistoryReader[];
    beforeEach(async () => {
      bench = await open();
      row = new Row();
      readers = bench.replicas.map((caches) => new HistoryReader({ caches, load: row.load }));
    });
    afterEach(() => bench.close());

    it('keeps the history of the highest revision, whole (guard: compare-and-set)', async () => {
      for (const cache of bench.replicas[0] ?? []) {
        const older = { revision: 3, messages: [message(row.id, 'a')] };
        const newer = { revision: 4, messages: [...older.messages, message(row.id, 'b 你好')] };
        expect(await cache.get(row.id)).toBeUndefined();
        await cache.put(row.id, newer);
        await cache.put(row.id, older);
        expect(await cache.get(row.id)).toEqual(newer);
        expect(await cache.get(newId())).toBeUndefined();
        await cache.forget(row.id);
        expect(await cache.get(row.id)).toBeUndefined();
      }
    });

    it('answers from the cache only as of the revision asked for (guard: the comparison)', async () => {
      const [reader] = readers;
      row.write('a');
      expect(await reader?.read(row.id, 1)).toEqual(row.history);
      expect(await reader?.read(row.id, 1)).toEqual(row.history);
      expect(row.loads).toBe(1);
      row.write('b');
      expect((await reader?.read(row.id, 2))?.messages).toHaveLength(2);
      expect(row.loads).toBe(2);
    });

    it('loads once for all who miss together', async () => {
      const [reader] = readers;
      row.write('a');
      const histories = await Promise.all(Array.from({ length: 20 }, () => reader?.read(row.id, 1)));
      for (const history of histories) expect(history).toEqual(row.history);
      expect(row.loads).toBe(1);
    });

    it('extends what it has, so that the next reader needs no load', async () => {
      const [reader] = readers;
      for (let i = 0; i < historyMessages + 20; i++) {
        const { before, after, added } = row.write(`${i}`);
        await reader?.extend(row.id, { before, after }, [added]);
      }
      expect(await reader?.read(row.id, row.history.revision)).toEqual(row.history);
      expect(row.loads).toBe(0);
      // One that missed a revision is not extended.
      row.write('missed');
      const { before, after, added } = row.write('seen');
      await reader?.extend(row.id, { before, after }, [added]);
      expect(await reader?.read(row.id, after)).toEqual(row.history);
      expect(row.loads).toBe(1);
    });

    it('never gives anyone an older history than an acknowledged write, on any replica', async () => {
      const reading: Promise<void>[] = [];
      const read = async (reader: HistoryReader | undefined) => {
        const acknowledged = row.history;
        const history = await reader?.read(row.id, acknowledged.revision);
        expect(history?.revision).toBeGreaterThanOrEqual(acknowledged.revision);
        const texts = history?.messages.map(({ id }) => id) ?? [];
        expect(texts.slice(0, acknowledged.messages.length)).toEqual(acknowledged.messages.map(({ id }) => id));
      };
      for (let round = 0; round < 100; round++) {
        const { before, after, added } = row.write(`${round}`);
        for (const reader of readers) reading.push(read(reader));
        if (round % 3 === 0)
          reading.push(readers[round % 2]?.extend(row.id, { before, after }, [added]) ?? Promise.resolve());
        if (round % 7 === 0) await reading.at(-1);
      }
      await Promise.all(reading);
      for (const reader of readers) expect(await reader.read(row.id, 100)).toEqual(row.history);
    });
  });
}

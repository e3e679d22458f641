import { eventId, parseEventId } from '@parley/server/live/id';
import { MemoryLog } from '@parley/server/live/memory';
import { newId } from '@parley/shared/id';
import { describe, expect, it } from 'vitest';
import { liveSuite } from './live.ts';
import { type LiveBench, note, Replica, Story } from './live-story.ts';

liveSuite('event log in memory', async (): Promise<LiveBench> => {
  const log = new MemoryLog({ maxEvents: 2_000 });
  return {
    logs: [log, log],
    async trim(conversationId) {
      const { events } = note(conversationId);
      await log.append({
        conversationId,
        events: Array.from({ length: 2_000 }, () => events[0]).filter((e) => e !== undefined),
      });
    },
    close: () => log.close(),
  };
});

describe('event log in memory', () => {
  it('shows nothing before it is durable, and keeps the order of the calls (guard: it waits for secure)', async () => {
    const log = new MemoryLog();
    const id = newId();
    const watcher = new Replica(log).watch(id);
    const durable = Promise.withResolvers<void>();
    const first = log.append({ ...note(id), secure: () => durable.promise });
    const second = log.append(note(id));
    const failing = log.append({ ...note(id), secure: () => Promise.reject(new Error('no database')) });
    const last = log.append(note(id));
    // The subscriber is live once this one, of another conversation, was answered twice.
    for (let i = 0; i < 3; i++) expect((await log.head(id)).seq).toBe(0);
    expect(watcher.seen).toEqual([]);
    durable.resolve();
    await expect(failing).rejects.toThrow('no database');
    expect([(await first).first, (await second).first, (await last).first]).toEqual([1, 2, 3]);
    expect(watcher.seen).toHaveLength(3);
    await log.close();
  });

  it('gives what was appended while a subscription was being made (guard: it listens before it reads)', async () => {
    const open = Promise.withResolvers<void>();
    class Slow extends MemoryLog {
      override async listen(...call: Parameters<MemoryLog['listen']>): Promise<void> {
        await open.promise;
        return super.listen(...call);
      }
    }
    const log = new Slow();
    const id = newId();
    const { epoch } = await log.append(note(id));
    const watcher = new Replica(log).watch(id, eventId(epoch, 1));
    // Long enough for one that does not wait to have read to the end.
    for (let i = 0; i < 100; i++) await log.head(id);
    await log.append(note(id));
    open.resolve();
    await watcher.until(({ seen }) => seen.length === 1);
    await log.close();
  });

  it('refuses more writers of one conversation than it has places for', async () => {
    const log = new MemoryLog();
    const id = newId();
    const durable = Promise.withResolvers<void>();
    const appends = Array.from({ length: 1_000 }, () => log.append({ ...note(id), secure: () => durable.promise }));
    await expect(log.append(note(id))).rejects.toThrow('too many writes');
    durable.resolve();
    await Promise.all(appends);
    expect((await log.append(note(id))).first).toBe(1_001);
    await log.close();
  });

  it('forgets the conversation that was used least recently, never one that someone listens to', async () => {
    const log = new MemoryLog({ maxConversations: 2 });
    const [heard, a, b, c] = [newId(), newId(), newId(), newId()];
    const watcher = new Replica(log).watch(heard);
    const epochs = new Map<string, number>();
    for (const id of [heard, a, b]) epochs.set(id, (await log.append(note(id))).epoch);
    await log.append(note(a));
    await log.append(note(c));
    expect(await log.read(b, { epoch: epochs.get(b) ?? 0, seq: 0 }, 9)).toBe('gone');
    expect(await log.read(a, { epoch: epochs.get(a) ?? 0, seq: 0 }, 9)).toHaveLength(2);
    expect(await log.read(heard, { epoch: epochs.get(heard) ?? 0, seq: 0 }, 9)).toHaveLength(1);
    expect(watcher.gaps).toBe(0);
    expect((await log.append(note(b))).epoch).toBeGreaterThan(epochs.get(b) ?? 0);
    await log.close();
  });

  it('keeps within its bytes, of one conversation and of all', async () => {
    const log = new MemoryLog({ maxBytes: 64 * 1024, totalBytes: 256 * 1024 });
    const story = new Story(log, newId());
    const { epoch } = await story.begin();
    for (let i = 0; i < 400; i++) await story.tell();
    expect(await log.read(story.conversationId, { epoch, seq: 100 }, 9)).toBe('gone');
    const { seq, running } = await log.head(story.conversationId);
    expect(running?.bubbles).toEqual([story.text]);
    expect(await log.read(story.conversationId, { epoch, seq: seq - 50 }, 99)).toHaveLength(50);
    for (let i = 0; i < 6; i++) {
      const other = new Story(log, newId());
      await other.begin();
      for (let n = 0; n < 200; n++) await other.tell();
    }
    expect(await log.read(story.conversationId, { epoch, seq }, 9)).toBe('gone');
    await log.close();
  });

  it('never goes back to an old epoch when the clock does', async () => {
    let now = 2_000_000_000_000;
    const log = new MemoryLog({ now: () => now });
    const id = newId();
    const { epoch } = await log.head(id);
    now -= 600_000;
    await log.forget(id);
    expect((await log.head(id)).epoch).toBeGreaterThan(epoch);
    await log.close();
  });
});

describe('event ids', () => {
  it('sort as text and are parsed strictly', () => {
    const epoch = 1_700_000_000_000_000;
    const ids = [eventId(epoch, 0), eventId(epoch, 9), eventId(epoch, 10), eventId(epoch + 1, 1)];
    expect([...ids].sort()).toEqual(ids);
    expect(parseEventId(eventId(epoch, 7))).toEqual({ epoch, seq: 7 });
    for (const text of [
      '',
      '-',
      '1-1',
      `${epoch}-7`,
      `0${eventId(epoch, 7)}`,
      `${eventId(epoch, 7)} `,
      `${epoch}-000000000x`,
    ]) {
      expect(parseEventId(text)).toBeUndefined();
    }
  });
});

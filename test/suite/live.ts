import { Encoded } from '@parley/server/live/encode';
import { eventId, parseEventId } from '@parley/server/live/id';
import { Fenced } from '@parley/server/live/port';
import { newId } from '@parley/shared/id';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkModel } from './live-model.ts';
import { type LiveBench, note, Replica, Story, snapshotOf, Watcher } from './live-story.ts';

/** Why there is a gap, in the words of the event. */
const gone = 'events are no longer kept';

/** The contract of `LogStore` and `Feed`, the same for every implementation. */
export function liveSuite(name: string, open: () => Promise<LiveBench>): void {
  describe(name, () => {
    let bench: LiveBench;
    let here: Replica;
    let there: Replica;
    let id: string;
    beforeEach(async () => {
      bench = await open();
      here = new Replica(bench.logs[0]);
      there = new Replica(bench.logs[1]);
      id = newId();
    });
    afterEach(async () => {
      here.feed.endAll();
      there.feed.endAll();
      expect(here.feed.size + there.feed.size).toBe(0);
      await bench.close();
    });

    it('gives two subscribers on two replicas the same events in the order of appending', async () => {
      const watchers = [here.watch(id), there.watch(id), there.watch(id)];
      const story = new Story(here.log, id);
      await story.begin();
      for (let i = 0; i < 50; i++)
        await Promise.all([story.tell(1 + (i % 3)), story.tell(), there.log.append(note(id))]);
      await story.end();
      for (const watcher of watchers) {
        await watcher.until(({ types }) => types.includes('turn.completed'));
        expect(watcher.text).toBe(story.text);
        expect(watcher.types.filter((type) => type === 'conversation.ended')).toHaveLength(50);
        expect(watcher.ids).toEqual(watchers[0]?.ids);
        expect(watcher.gaps).toBe(0);
      }
    });

    it('numbers a batch without holes and resumes exactly after every single event', async () => {
      const story = new Story(here.log, id);
      const first = await story.begin();
      expect(first.first).toBe(1);
      for (const size of [3, 1, 5, 2]) await story.tell(size);
      await story.end();
      const whole = here.watch(id, eventId(first.epoch, 0));
      await whole.until(({ seen }) => seen.length === 13);
      expect(whole.ids).toEqual(Array.from({ length: 13 }, (_, i) => eventId(first.epoch, i + 1)));
      for (const [i, lastEventId] of whole.ids.entries()) {
        for (const replica of [here, there, there]) {
          const watcher = replica.watch(id, lastEventId);
          if (i < 12) await watcher.until(({ seen }) => seen.length === 12 - i);
          expect(watcher.seen).toEqual(whole.seen.slice(i + 1));
        }
      }
    });

    it('loses nothing and doubles nothing for whoever subscribes while others publish (listens first, drops what it read)', async () => {
      for (let round = 0; round < 20; round++) {
        const conversationId = newId();
        const story = new Story(here.log, conversationId);
        const { epoch } = await story.begin();
        const watchers: Watcher[] = [];
        const telling = [];
        for (let i = 0; i < 30; i++) {
          telling.push(story.tell());
          if (i % 3 === round % 3) watchers.push((i % 2 ? here : there).watch(conversationId, eventId(epoch, 1)));
          if (i % 5 === 0) await telling.at(-1);
        }
        await Promise.all(telling);
        for (const watcher of watchers) {
          await watcher.until(({ text }) => text.length >= story.text.length);
          expect(watcher.text).toBe(story.text);
          expect(watcher.gaps).toBe(0);
        }
        here.feed.endAll();
        there.feed.endAll();
      }
    });

    it('begins with the running turn when no last event is named, else live', async () => {
      await here.log.append(note(id));
      const live = there.watch(id);
      const early = here.watch(id, eventId((await here.log.head(id)).epoch, 0));
      await early.until(({ seen }) => seen.length === 1);
      const story = new Story(here.log, id);
      // Whether a live subscriber is listening is not observable; wherever it is, it begins with this turn.
      await story.begin();
      await story.tell(4);
      const late = there.watch(id);
      await late.until(({ text }) => text === story.text);
      expect(late.types[0]).toBe('turn.started');
      await story.tell();
      await story.end();
      await live.until(({ types }) => types.includes('turn.completed'));
      expect(live.types[0]).toBe('turn.started');
      expect(live.text).toBe(story.text);
      const after = there.watch(id);
      const next = new Story(there.log, id);
      await next.begin();
      await after.until(({ seen }) => seen.length === 1);
      expect(after.types).toEqual(['turn.started']);
    });

    it('takes one gap where events are gone, with the text as of exactly there (guard: the check for what is no longer kept)', async () => {
      const story = new Story(here.log, id);
      const { epoch } = await story.begin();
      for (let i = 0; i < 40; i++) await story.tell();
      await bench.trim(id);
      const watchers = [here.watch(id, eventId(epoch, 3)), there.watch(id, eventId(epoch, 3)), there.watch(id)];
      for (const watcher of watchers) await watcher.until(({ gaps }) => gaps === 1);
      await story.tell(2);
      for (const watcher of watchers) {
        await watcher.until(({ text }) => text.length >= story.text.length);
        expect(watcher.text).toBe(story.text);
        expect(watcher.types[0]).toBe('gap');
        expect(watcher.gaps).toBe(1);
        // What the gap stands for is resumed from exactly.
        const resumed = here.watch(id, watcher.ids[0]);
        await resumed.until(({ seen }) => seen.length === watcher.seen.length - 1);
        expect(resumed.seen).toEqual(watcher.seen.slice(1));
      }
    });

    it.each([
      ['garbage (guard: ids are parsed strictly)', () => 'garbage', 'unknown event id'],
      ['empty (guard: ids are parsed strictly)', () => '', 'unknown event id'],
      ['another epoch (guard: the log compares epochs)', (epoch: number) => eventId(epoch - 1, 1), gone],
      ['beyond the end (guard: the log knows its end)', (epoch: number) => eventId(epoch, 4), gone],
      ['far beyond the end (guard: the same)', (epoch: number) => eventId(epoch, 4_000_000_000), gone],
    ])('answers an id that is not its own with one gap: %s', async (_, lastEventId, reason) => {
      const story = new Story(here.log, id);
      const { epoch } = await story.begin();
      await story.tell(2);
      const watcher = there.watch(id, lastEventId(epoch));
      await watcher.until(({ gaps }) => gaps === 1);
      expect(watcher.text).toBe(story.text);
      await story.tell();
      await watcher.until(({ text }) => text === story.text);
      expect(watcher.types).toEqual(['gap', 'agent.delta']);
      expect(watcher.seen[0]?.event).toMatchObject({ reason });
    });

    it('appends nothing for an owner whose turn was taken over or has ended (guard: the fence)', async () => {
      const watcher = there.watch(id);
      const story = new Story(here.log, id);
      await story.begin();
      await story.tell(2);
      const successor = story.takeOver(there.log);
      await successor.tell();
      const before = successor.text;
      await expect(story.tell()).rejects.toThrow(Fenced);
      await expect(story.end()).rejects.toThrow(Fenced);
      expect((await here.log.head(id)).running?.bubbles).toEqual([before]);
      await successor.end();
      await expect(successor.tell()).rejects.toThrow(Fenced);
      await expect(successor.end()).rejects.toThrow(Fenced);
      expect((await here.log.head(id)).running).toBeNull();
      await here.log.append(note(id));
      await watcher.until(({ types }) => types.includes('conversation.ended'));
      expect(watcher.types).toEqual([
        'turn.started',
        ...['agent.delta', 'agent.delta', 'agent.delta'],
        ...['turn.completed', 'conversation.ended'],
      ]);
      expect(watcher.text).toBe(before);
    });

    it('starts the answer again from what its next owner knows', async () => {
      const story = new Story(here.log, id);
      await story.begin();
      await story.tell(5);
      const successor = story.takeOver(there.log);
      successor.text = '0 1 2 ';
      successor.told = 3;
      await successor.tell();
      expect((await here.log.head(id)).running).toMatchObject({ generation: 2, bubbles: ['0 1 2 3 '] });
    });

    it('does not take a turn for running because of a straggler, and lets its end in', async () => {
      const first = new Story(here.log, id);
      await first.begin();
      const second = new Story(there.log, id);
      await second.begin();
      await second.tell();
      await first.tell();
      await first.end();
      expect((await here.log.head(id)).running).toMatchObject({ turnId: second.turnId, bubbles: ['0 '] });
    });

    it('gives position and text of the running turn as of one moment', async () => {
      const story = new Story(here.log, id);
      await story.begin();
      let telling = true;
      const all = (async () => {
        for (let i = 0; i < 100; i++) await story.tell(1 + (i % 2));
        telling = false;
      })();
      while (telling) {
        const { seq, running } = await there.log.head(id);
        const words = (running?.bubbles.join('') ?? '').split(' ').length - 1;
        expect(words).toBe(seq - 1);
      }
      await all;
    });

    it('keeps bubbles apart', async () => {
      const turn = { id: newId(), generation: 1 };
      const delta = (bubble: number, text: string) =>
        Encoded.of({ type: 'agent.delta', conversationId: id, turnId: turn.id, at: 0, bubble, text });
      await here.log.append({
        conversationId: id,
        turn: { ...turn, begins: true },
        events: [delta(0, '你'), delta(0, '好')],
      });
      await here.log.append({ conversationId: id, turn, events: [delta(0, '!'), delta(1, 'b'), delta(2, '')] });
      await here.log.append({ conversationId: id, turn, events: [delta(2, '\u001e\0')] });
      expect((await there.log.head(id)).running?.bubbles).toEqual(['你好!', 'b', '\u001e\0']);
    });

    it('carries bytes unchanged', async () => {
      const data = new Uint8Array(70_000).map((_, i) => i % 251);
      const watcher = there.watch(id);
      const audio = {
        conversationId: id,
        turnId: newId(),
        at: 0,
        sentence: 0,
        chunk: 0,
        format: 'pcm_s16le',
        sampleRate: 24_000,
        last: true,
      };
      const events = [Encoded.of({ type: 'agent.audio', ...audio, data }), ...note(id).events];
      const { epoch } = await here.log.append({ conversationId: id, events });
      await watcher.until(() => true);
      const late = there.watch(id, eventId(epoch, 0));
      await late.until(({ seen }) => seen.length === 2);
      const event = late.seen[0]?.event;
      if (event?.type !== 'agent.audio') throw new Error('not audio');
      expect(Buffer.compare(event.data, data)).toBe(0);
    });

    it('reads in pages, each after the sink has room, and loses nothing that comes meanwhile', async () => {
      const story = new Story(here.log, id);
      const { epoch } = await story.begin();
      for (let i = 0; i < 30; i++) await story.tell(30);
      const watcher = new Watcher();
      let open = Promise.withResolvers<void>();
      let asked = Promise.withResolvers<number>();
      watcher.pace = () => {
        asked.resolve(watcher.seen.length);
        return open.promise;
      };
      there.watch(id, eventId(epoch, 0), watcher);
      for (let pages = 1; pages <= 3; pages++) {
        expect(await asked.promise).toBeLessThanOrEqual(pages * 256);
        await story.tell();
        asked = Promise.withResolvers();
        const next = Promise.withResolvers<void>();
        open.resolve();
        open = next;
      }
      watcher.pace = async () => {};
      open.resolve();
      await watcher.until(({ text }) => text.length >= story.text.length);
      expect(watcher.text).toBe(story.text);
      expect(watcher.gaps).toBe(0);
    });

    it('ends a subscription after conversation.deleted, and forgets the log', async () => {
      const story = new Story(here.log, id);
      const { epoch } = await story.begin();
      const watchers = [here.watch(id), there.watch(id)];
      for (const watcher of watchers) await watcher.until(({ seen }) => seen.length === 1);
      await here.log.append(note(id, 'conversation.deleted'));
      for (const watcher of watchers) {
        await watcher.until(({ over }) => over);
        expect(watcher.types.at(-1)).toBe('conversation.deleted');
        expect(watcher.error).toBeUndefined();
      }
      await here.log.forget(id);
      expect(await there.log.read(id, { epoch, seq: 0 }, 10)).toBe('gone');
      const late = new Watcher();
      there.feed.subscribe(id, eventId(epoch, 1), late, async () => 'deleted');
      await late.until(({ over }) => over);
      expect(late.types).toEqual(['conversation.deleted']);
      // Nothing has come back by being asked for (guard: a gap that finds it deleted forgets it).
      const looked = parseEventId(late.ids[0] ?? '');
      if (!looked) throw new Error('no id');
      expect(await there.log.read(id, looked, 10)).toBe('gone');
      const head = await there.log.head(id);
      expect(head).toMatchObject({ seq: 0, running: null });
      expect(head.epoch).toBeGreaterThan(epoch);
    });

    it('goes on when the log was lost, with the whole answer', async () => {
      const story = new Story(here.log, id);
      await story.begin();
      const watchers = [here.watch(id), there.watch(id)];
      await story.tell(3);
      for (const watcher of watchers) await watcher.until(({ text }) => text === story.text);
      await here.log.forget(id);
      for (let i = 0; i < 2; i++) {
        await story.tell();
        for (const watcher of watchers) await watcher.until(({ text }) => text === story.text);
      }
      await story.end();
      for (const watcher of watchers) {
        await watcher.until(({ types }) => types.at(-1) === 'turn.completed');
        // None for who is live; two for who is still reading and looks at the lost log before it is begun again.
        expect(watcher.gaps).toBeLessThanOrEqual(2);
      }
    });

    it('brings every subscriber to the same story, whatever happens to the log', async () => {
      await checkModel(open, 60);
    });

    it('tries a snapshot that fails again, and ends with its error when it goes on failing', async () => {
      let failures = 2;
      const patient = new Watcher();
      here.feed.subscribe(id, 'garbage', patient, async (_, head) => {
        if (failures-- > 0) throw new Error('no database');
        return snapshotOf(id, head);
      });
      await patient.until(({ gaps }) => gaps === 1);
      const lost = new Watcher();
      here.feed.subscribe(id, 'garbage', lost, () => Promise.reject(new Error('no database')));
      await expect(lost.until(({ gaps }) => gaps === 1)).rejects.toThrow('no database');
      expect(lost.seen).toEqual([]);
    });

    it('calls nothing after a stop, and ends a subscriber whose sink throws without disturbing the others', async () => {
      const stopped = new Watcher();
      const delivery = here.feed.subscribe(id, undefined, stopped, snapshotOf);
      const broken = new Watcher();
      broken.event = () => {
        throw new Error('broken pipe');
      };
      here.watch(id, undefined, broken);
      const fine = here.watch(id);
      delivery.stop();
      const story = new Story(there.log, id);
      await story.begin();
      await story.tell();
      await fine.until(({ text }) => text === story.text);
      expect(stopped.seen).toEqual([]);
      expect(stopped.over).toBe(false);
      expect(broken.error?.message).toBe('broken pipe');
      const error = new Error('draining');
      here.feed.endAll(error);
      expect(fine.error).toBe(error);
    });
  });
}

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import type { microphoneSource } from '@parley/client/recorder/microphone';
import type { browserStore } from '@parley/client/recorder/store-browser';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingBrowser, openBrowser } from '../support/browser.ts';

const root = path.resolve(import.meta.dirname, '../..');
const page = `<!doctype html><script type="importmap">{"imports":{"@parley/shared/":"/shared/","@parley/client/":"/client/"}}</script>`;

/** Serves the sources as a browser runs them: without their types. */
async function serveSources(): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (!/^\/(client|shared)(\/[\w-]+)+(\.ts)?$/.test(pathname)) {
      response.setHeader('content-type', 'text/html');
      response.end(page);
      return;
    }
    readFile(path.join(root, pathname.endsWith('.ts') ? pathname : `${pathname}.ts`), 'utf8').then(
      (source) => {
        response.setHeader('content-type', 'text/javascript');
        response.end(stripTypeScriptTypes(source));
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('no address');
  // Microphones and locks are for pages that are safe, which this name is.
  return { url: `http://localhost:${address.port}/`, server };
}

const missing = missingBrowser();

describe.skipIf(missing !== undefined)(`in a browser${missing === undefined ? '' : ` (${missing})`}`, () => {
  let browser: Browser;
  let sources: Awaited<ReturnType<typeof serveSources>>;
  beforeAll(async () => {
    sources = await serveSources();
    browser = await openBrowser({ microphone: { file: path.join(root, 'test/fixture/format.wav') } });
  });
  afterAll(async () => {
    await browser?.close();
    sources?.server.closeAllConnections();
    sources?.server.close();
  });

  async function open(context?: Awaited<ReturnType<Browser['newContext']>>): Promise<Page> {
    const opened = await (context ?? (await browser.newContext())).newPage();
    await opened.goto(sources.url);
    return opened;
  }

  /** What is tried, as the page has it. The import is text, since the test's own would be another. */
  const parts = (on: Page) =>
    on.evaluateHandle<{ browserStore: typeof browserStore; microphoneSource: typeof microphoneSource }>(
      `Promise.all(['recorder/store-browser', 'recorder/microphone'].map((name) => import('@parley/client/' + name)))
        .then(([store, microphone]) => ({ ...store, ...microphone }))`,
    );

  /** Puts segments of a recording, as a page that records does. */
  const put = async (on: Page, voiceSessionId: string, indexes: number[]): Promise<void> =>
    on.evaluate(
      async ([{ browserStore }, session, places]) => {
        const store = browserStore({ name: 'parley-test' });
        const key = { conversationId: 'c', voiceSessionId: session };
        for (const index of places)
          await store.put({ ...key, index, isLast: false, format: 'webm', data: new Uint8Array([index, 1, 2]) });
        // Put again it is replaced.
        await store.put({ ...key, index: 0, isLast: true, format: 'webm', data: new Uint8Array([9]) });
        await store.remove(key, 1);
      },
      [await parts(on), voiceSessionId, indexes] as const,
    );

  const list = async (on: Page): Promise<string[]> =>
    on.evaluate(
      async ({ browserStore }) => {
        const kept = await browserStore({ name: 'parley-test' }).list();
        return kept
          .map(({ voiceSessionId, index, isLast, data }) => `${voiceSessionId} ${index} ${isLast} ${[...data]}`)
          .sort();
      },
      await parts(on),
    );

  test('recordings outlive the page, and are taken up by no other page while it is there', async () => {
    const context = await browser.newContext();
    const first = await open(context);
    await put(first, 's', [0, 1, 2]);
    const second = await open(context);
    expect(await list(second)).toEqual([]);
    await first.reload();
    await expect.poll(() => list(second)).toEqual(['s 0 true 9', 's 2 false 2,1,2']);
    expect(await list(first)).toEqual(['s 0 true 9', 's 2 false 2,1,2']);
    await context.close();
  });

  // Guard: a store that is closed gives up the lock that says that its page is there.
  test('recordings of a client that is closed are taken up by the next one on the same page', async () => {
    const on = await open();
    const counts = await on.evaluate(
      async ([{ browserStore }]) => {
        const [first, second] = [browserStore({ name: 'parley-closed' }), browserStore({ name: 'parley-closed' })];
        const segment = (index: number) => ({
          ...{ conversationId: 'c', voiceSessionId: 's', index, isLast: false, format: 'webm' as const },
          data: new Uint8Array([index]),
        });
        await first.put(segment(0));
        const before = (await second.list()).length;
        first.close?.();
        // What the recorder lets go of last.
        await first.put(segment(1));
        let after = 0;
        for (let tries = 0; after < 2 && tries < 100; tries++) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          after = (await second.list()).length;
        }
        return [before, after];
      },
      [await parts(on)] as const,
    );
    expect(counts).toEqual([0, 2]);
  });

  test.each(['is missing', 'throws', 'fails'] as const)(
    'where IndexedDB %s they live as long as the page',
    async (how) => {
      const on = await open();
      const kept = await on.evaluate(
        async ([{ browserStore }, what]) => {
          const broken = (open: () => IDBOpenDBRequest): IDBFactory => ({
            open,
            cmp: () => 0,
            databases: async () => [],
            deleteDatabase: open,
          });
          const failing = () => indexedDB.open('x', 1);
          if (what === 'fails') {
            const newer = indexedDB.open('x', 2);
            await new Promise((resolve) => {
              newer.onsuccess = resolve;
            });
          }
          if (what === 'is missing') Object.defineProperty(globalThis, 'indexedDB', { value: undefined });
          const refuse = () => {
            throw new DOMException('not in a private window', 'SecurityError');
          };
          const store = browserStore({
            name: 'parley-test',
            ...(what !== 'is missing' && { indexedDB: broken(what === 'throws' ? refuse : failing) }),
          });
          const key = { conversationId: 'c', voiceSessionId: 's' };
          for (const index of [0, 1])
            await store.put({ ...key, index, isLast: false, format: 'webm', data: new Uint8Array([index]) });
          await store.remove(key, 0);
          return (await store.list()).map(({ index }) => index);
        },
        [await parts(on), how] as const,
      );
      expect(kept).toEqual([1]);
    },
  );

  test('what is older than it may be is forgotten', async () => {
    const on = await open();
    await put(on, 'old', [0, 1, 2]);
    const left = await on.evaluate(
      async ({ browserStore }) => {
        const young = await browserStore({ name: 'parley-test', mostAgeMs: -1 }).list();
        return [young.length, (await browserStore({ name: 'parley-test' }).list()).length];
      },
      await parts(on),
    );
    expect(left).toEqual([0, 0]);
  });

  test('a microphone is opened for a recording, measured, and given back', async () => {
    const on = await open();
    const result = await on.evaluate(
      async ({ microphoneSource }) => {
        const streams: MediaStream[] = [];
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (constraints) => {
          const stream = await ask(constraints);
          streams.push(stream);
          return stream;
        };
        const source = microphoneSource();
        const files: number[] = [];
        let loudest = 0;
        const heard = new Promise<void>((resolve) => {
          source.meter.subscribe(() => {
            loudest = Math.max(loudest, source.meter.get());
            if (loudest > 0.01) resolve();
          });
        });
        const before = streams.length;
        await source.start(({ data }) => void files.push(data.length), { segmentMs: 500, onEnd: () => {} });
        await heard;
        while (files.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
        await source.stop();
        // One that is over before the microphone is there gives it back too.
        const late = source.start(() => {}, { segmentMs: 500, onEnd: () => {} });
        await source.stop();
        await late;
        return {
          before,
          format: source.format,
          files: files.length,
          loudest,
          level: source.meter.get(),
          tracks: streams.flatMap((stream) => stream.getTracks().map(({ readyState }) => readyState)),
        };
      },
      await parts(on),
    );
    expect(result).toMatchObject({ before: 0, format: 'webm', level: 0, tracks: ['ended', 'ended'] });
    expect(result.files).toBeGreaterThan(1);
    expect(result.loudest).toBeLessThanOrEqual(1);
  });
});

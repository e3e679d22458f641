import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { createLogger } from '@parley/server/boot/log';
import { serve } from '@parley/server/boot/serve';
import type { PlaygroundProcedure } from '@parley/server/rpc/playground';
import { newId } from '@parley/shared/id';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { freshDatabase } from '../support/database.ts';
import type { FreshDatabase } from '../support/postgres.ts';
import { procedures } from '../support/procedures.ts';

const jwtSecret = 'a secret of tests, as long as one has to be';
const apiKey = 'sk-a-key-that-nobody-sees';
const html = '<!doctype html><title>the playground</title>';

let database: FreshDatabase;
let folder: string;
beforeAll(async () => {
  database = await freshDatabase();
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-playground-'));
  fs.mkdirSync(path.join(folder, 'abc'));
  fs.writeFileSync(path.join(folder, 'abc/index.html'), '<!doctype html><title>the console</title>');
  fs.writeFileSync(path.join(folder, 'abc/playground.html'), html);
  fs.writeFileSync(path.join(folder, 'current'), 'abc');
});
afterAll(async () => {
  await database.drop();
  fs.rmSync(folder, { recursive: true, force: true });
});

function environment(more: Record<string, string> = {}) {
  return { PORT: '0', DATABASE_URL: database.url, AUTH_JWT_SECRET: jwtSecret, OPENAI_API_KEY: apiKey, ...more };
}

async function serving(more: Record<string, string>, consoleFolder = folder) {
  const config = { ...decide(readEnvironment(environment(more))), consoleFolder };
  return await serve(config, createLogger({ level: 'silent' }));
}

const conversationId = newId();
const turnId = newId();
const parts = [{ type: 'text', text: 'hello' }];
const recording = { format: 'wav', data: 'UklGRg==' };

/** What clients send. */
const good: Readonly<Record<string, readonly unknown[]>> = {
  'account.updateProfile': [{}, { nickname: 'Ada', birthYear: 1915, locale: 'en' }, { nickname: null }],
  'attachments.upload': ['aGVsbG8=', { filename: 'a.txt', data: 'aGVsbG8=' }],
  'attachments.get': [{ attachmentId: newId() }, { id: newId() }],
  'conversations.create': [
    {},
    { id: newId(), title: null, context: { type: 'order' }, metadata: { a: [1, { b: null }] } },
  ],
  'conversations.forContext': [{ contextType: 'order' }, { contextType: 'order', contextId: '' }],
  'conversations.list': [{}, { cursor: null, limit: 100, status: 'ended', search: 'x' }],
  'conversations.get': [{ conversationId }],
  'conversations.messages': [{ conversationId }, { conversationId, order: 'desc' }],
  'conversations.open': [{ conversationId, speak: true }],
  'conversations.rename': [{ conversationId, title: 'New' }],
  'conversations.end': [{ conversationId }],
  'conversations.delete': [{ conversationId }],
  'conversations.events': [{ conversationId }, { conversationId, lastEventId: null }],
  'conversations.export': [{ conversationId }],
  'turns.send': [
    { conversationId, parts },
    { conversationId, turnId, parts: [{ type: 'attachment', attachmentId: newId() }], speak: { keep: true } },
    { conversationId, parts, pageContext: { filters: ['a'] }, speak: false, onBusy: 'queue' },
  ],
  'turns.ask': [{ conversationId, parts }],
  'turns.interrupt': [{ conversationId }, { conversationId, turnId, heard: { sentence: 0, playedMs: 12.5 } }],
  'turns.stopSpeaking': [{ conversationId }],
  'turns.reportPlayback': [{ turnId, sentence: 0, playedMs: 0 }],
  'turns.get': [{ turnId }],
  'turns.retry': [{ turnId }],
  'voice.recordingStarted': [{ conversationId, voiceSessionId: 'v' }],
  'voice.cancelRecording': [{ conversationId, voiceSessionId: 'v' }],
  'voice.sendSegment': [{ conversationId, clientSegmentId: 'v:0', ...recording }],
  'voice.sendMessage': [{ conversationId, ...recording, durationMs: 10 }],
  'voice.transcribe': [{ ...recording, language: 'en' }],
};

describe('where it is enabled', () => {
  let url: string;
  let close: () => Promise<void>;
  let body: string;
  let listed: PlaygroundProcedure[];
  beforeAll(async () => {
    ({ url, close } = await serving({ PLAYGROUND: 'on' }));
    const response = await fetch(`${url}/playground/procedures`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    body = await response.text();
    listed = JSON.parse(body).procedures;
  });
  afterAll(() => close());

  it('lists every procedure of the router, with its kind', () => {
    expect(listed.map((each) => [each.path, each.type])).toEqual(procedures);
    expect(listed.filter(({ type }) => type === 'subscription').map(({ path }) => path)).toContain(
      'conversations.events',
    );
  });

  it('with schemas that take what clients send, and not just anything', () => {
    for (const { path, input } of listed) {
      if (input === null) continue;
      const schema = z.fromJSONSchema(input);
      expect([path, schema.safeParse(17).success]).toEqual([path, false]);
      for (const value of good[path] ?? [])
        expect([path, schema.safeParse(value)]).toMatchObject([path, { success: true }]);
    }
    const known = new Set(listed.map(({ path }) => path));
    expect(Object.keys(good).filter((path) => !known.has(path))).toEqual([]);
    const send = z.fromJSONSchema(listed.find(({ path }) => path === 'turns.send')?.input ?? {});
    expect(send.safeParse({ conversationId, parts: [] }).success).toBe(false);
    expect(send.safeParse({ conversationId, parts, onBusy: 'maybe' }).success).toBe(false);
  });

  it('tells which fields are bytes, and offers no choice that JSON does not have', () => {
    const segment = listed.find(({ path }) => path === 'voice.sendSegment')?.input;
    expect(segment).toHaveProperty('properties.data.contentEncoding', 'base64');
    expect(segment).toHaveProperty('properties.data.type', 'string');
    expect(body).not.toContain('"not":{}');
    expect(body).not.toMatch(/\[\{\}|,\{\}/);
  });

  it('has no secret in it', async () => {
    const page = await (await fetch(`${url}/playground`)).text();
    for (const secret of [jwtSecret, apiKey, database.url, new URL(database.url).pathname.slice(1)])
      expect(`${body}${page}`).not.toContain(secret);
  });

  it('is a page that runs its own scripts only', async () => {
    const response = await fetch(`${url}/playground`, { headers: { 'accept-encoding': 'identity' } });
    expect([response.status, await response.text()]).toEqual([200, html]);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
  });
});

describe('where it is not', () => {
  const paths = ['/playground', '/playground.html', '/playground/', '/playground/procedures'];

  it.each([[{}], [{ PLAYGROUND: 'off' }]])('there is nothing (%o)', async (more) => {
    const { url, close } = await serving(more);
    try {
      for (const at of paths) {
        const response = await fetch(url + at);
        expect([at, response.status, await response.json()]).toEqual([at, 404, { error: 'not found' }]);
      }
      expect(await (await fetch(url)).text()).toContain('the console');
    } finally {
      await close();
    }
  });

  it('but where the pages are not built, it says how to get them', async () => {
    const { url, close } = await serving({ PLAYGROUND: 'on' }, path.join(folder, 'none'));
    try {
      const response = await fetch(`${url}/playground`);
      expect([response.status, await response.text()]).toEqual([404, expect.stringContaining('npm start')]);
    } finally {
      await close();
    }
  });
});

it('is on by itself in the embedded mode only', () => {
  const { DATABASE_URL, AUTH_JWT_SECRET } = environment();
  const isOn = (source: Record<string, string>) => decide(readEnvironment(source)).playground;
  expect(isOn({})).toBe(true);
  expect(isOn({ PLAYGROUND: 'off' })).toBe(false);
  expect(isOn({ DATABASE_URL, AUTH_JWT_SECRET })).toBe(false);
  expect(isOn({ DATABASE_URL, AUTH_JWT_SECRET, PLAYGROUND: 'on' })).toBe(true);
  expect(() => readEnvironment({ PLAYGROUND: 'yes' })).toThrow(/^PLAYGROUND must be on or off$/);
});

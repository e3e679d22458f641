import { limits } from '@parley/shared/limits';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { httpClient, openSocket, reasonOf } from '../support/stock.ts';

let app: App;
beforeAll(async () => {
  app = await startApp({ model: 'echo:2' });
});
afterAll(() => app.stop());

describe('system', () => {
  it('ping needs no credential, on any transport, and does not mind a bad one', async () => {
    const socket = openSocket(app.ws);
    const bad = openSocket(app.ws, { token: 'nonsense' });
    const answers = await Promise.all([
      httpClient(app.url).system.ping.query(),
      httpClient(app.url, { authorization: 'Bearer nonsense' }).system.ping.query(),
      socket.client.system.ping.query(),
      bad.client.system.ping.query(),
    ]);
    for (const { at, version } of answers) {
      expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(60_000);
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    }
    await Promise.all([socket.close(), bad.close()]);
  });

  it('capabilities says what answers, what the limits are and which versions are spoken', async () => {
    const ada = await app.http('ada');
    const capabilities = await ada.system.capabilities.query();
    expect(capabilities).toMatchObject({
      llm: { name: 'openai', model: 'echo:2' },
      audio: { in: expect.any(Array), out: expect.any(Array) },
      limits,
      protocolVersions: ['1'],
    });
    expect(Object.keys(capabilities)).toEqual(expect.arrayContaining(['stt', 'tts', 'vad']));
    expect(await reasonOf(httpClient(app.url).system.capabilities.query())).toBe('UNAUTHENTICATED');
  });

  it('capabilities says what the local model is', async () => {
    const local = await startApp({ model: 'local' });
    try {
      const { llm } = await (await local.http('ada')).system.capabilities.query();
      expect(llm).toMatchObject({ name: 'local', description: expect.stringContaining('not a language model') });
    } finally {
      await local.stop();
    }
  });
});

describe('account.me', () => {
  it('is the user that the token names, made at first sight', async () => {
    const client = await app.http('new user 新', { admin: true });
    const me = await client.account.me.query();
    const profile = {
      nickname: null,
      birthYear: null,
      birthPlace: null,
      grewUpPlace: null,
      occupation: null,
      locale: null,
    };
    expect(me).toEqual({
      user: {
        id: 'new user 新',
        tenant: 'acme',
        ...profile,
        approved: true,
        plan: 'free',
        createdAt: expect.any(Date),
      },
      profile,
      tenant: 'acme',
      roles: ['admin'],
      scopes: ['chat', 'voice', 'files', 'memory', 'admin'],
      approved: true,
      plan: 'free',
    });
    const limited = await (await app.http('ada', { scope: ['chat'] })).account.me.query();
    expect(limited).toMatchObject({ roles: [], scopes: ['chat'] });
  });

  it('keeps the same user id in two tenants apart', async () => {
    const here = await app.http('twin');
    const there = await app.http('twin', { tenant: 'globex' });
    await here.account.updateProfile.mutate({ nickname: 'Here' });
    expect((await there.account.me.query()).profile.nickname).toBeNull();
    expect((await there.account.me.query()).tenant).toBe('globex');
  });
});

describe('account.updateProfile', () => {
  it('changes what is given, keeps the rest, and null or blank clears', async () => {
    const client = await app.http('profile');
    const update = client.account.updateProfile.mutate;
    expect(await update({ nickname: ' Mei ', birthYear: 1950, locale: 'zh-CN' })).toMatchObject({
      nickname: 'Mei',
      birthYear: 1950,
      birthPlace: null,
      locale: 'zh-CN',
    });
    expect(await update({ birthPlace: '苏州' })).toMatchObject({
      nickname: 'Mei',
      birthYear: 1950,
      birthPlace: '苏州',
    });
    expect(await update({ birthYear: null })).toMatchObject({ nickname: 'Mei', birthYear: null });
    expect(await update({ nickname: '  ' })).toMatchObject({ nickname: null, birthPlace: '苏州' });
    expect(await update({})).toMatchObject({ birthPlace: '苏州', locale: 'zh-CN' });
    expect((await client.account.me.query()).profile).toMatchObject({ birthPlace: '苏州', nickname: null });
  });

  it('refuses what is no year, no locale or too long, and changes nothing', async () => {
    const client = await app.http('picky');
    await client.account.updateProfile.mutate({ nickname: 'Kept', birthYear: 1950 });
    const refused = (input: object) => reasonOf(client.account.updateProfile.mutate(input));
    for (const birthYear of [1879, 2101, 1950.5, Number.NaN, '1950', 1e99])
      expect(await refused({ birthYear })).toBe('INVALID_INPUT');
    for (const locale of ['', 'english please', 'zh_CN!', 'x'.repeat(100)])
      expect(await refused({ locale })).toBe('INVALID_INPUT');
    expect(await refused({ nickname: 'x'.repeat(201) })).toBe('INVALID_INPUT');
    expect(await refused({ occupation: 7 })).toBe('INVALID_INPUT');
    expect((await client.account.me.query()).profile).toMatchObject({ nickname: 'Kept', birthYear: 1950 });
  });

  it('a locale speaks from the next call on', async () => {
    const client = await app.trpc('locale');
    const missing = () => client.turns.get.query({ turnId: crypto.randomUUID() }).catch((error) => error.message);
    expect(await missing()).toBe('This does not exist.');
    await client.account.updateProfile.mutate({ locale: 'zh-Hans-CN' });
    expect(await missing()).toBe('未找到。');
  });
});

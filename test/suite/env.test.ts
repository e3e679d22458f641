import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Config, decide } from '@parley/server/boot/config';
import { BadEnvironment, readEnvironment, variables } from '@parley/server/boot/env';
import { describe, expect, it } from 'vitest';

const secret = 's'.repeat(32);
const external = { DATABASE_URL: 'postgres://me:hunter2@db/parley', AUTH_JWT_SECRET: secret };

function config(source: Record<string, string>): Config {
  return decide(readEnvironment(source));
}

function complaint(source: Record<string, string>): string {
  try {
    config(source);
  } catch (error) {
    expect(error).toBeInstanceOf(BadEnvironment);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('was accepted');
}

describe('variables', () => {
  it('has defaults for all that is needed', () => {
    expect(config({})).toMatchObject({
      listen: { host: '127.0.0.1', port: 4000 },
      database: { mode: 'embedded' },
      auth: { provision: 'auto', trust: [{ type: 'kept' }] },
      llm: { provider: 'local' },
      model: { firstTokenMs: 20_000, idleMs: 30_000, totalMs: 300_000 },
      leaseMs: 10_000,
    });
  });

  it('takes an empty one as not set', () => {
    const empty = Object.fromEntries(variables.map(({ name }) => [name, name === 'HOST' ? '  ' : '']));
    expect(config(empty)).toEqual(config({}));
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '4e3'],
    ['PORT', '-1'],
    ['PORT', '0x10'],
    ['DATABASE_URL', 'mysql://db/parley'],
    ['DATABASE_URL', 'postgres://me:p#w@db:x/parley'],
    ['DATABASE_POOL', '0'],
    ['REDIS_URL', 'localhost:6379'],
    ['STORAGE_URL', '/srv/files'],
    ['STORAGE_URL', 'file://srv/files'],
    ['STORAGE_URL', 'file:///srv/50%zz'],
    ['STORAGE_URL', 'file:///srv/%00'],
    ['OPENAI_BASE_URL', 'ftp://models'],
    ['OPENAI_API_KEY', 'two words'],
    ['LLM_PROVIDER', 'OpenAI'],
    ['LLM_PROVIDER', 'openai'],
    ['TTS_PROVIDER', 'openai'],
    ['AUTH_JWT_SECRET', 'x'.repeat(31)],
    ['AUTH_JWKS_URL', 'keys.json'],
    ['AUTH_PROVISION', 'yes'],
    ['CORS_ORIGINS', 'https://a.example/path'],
    ['TRUST_PROXY', 'proxy.example'],
    ['TRUST_PROXY', '10.0.0.1,10.0.0.2:80'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['TRUST_PROXY', '::/129'],
    ['TRUST_PROXY', '10.0.0.0/'],
    ['MODEL_IDLE_MS', '1s'],
    ['MODEL_REPLY_TOKENS', '15999'],
    ['LOG_LEVEL', 'loud'],
  ])('refuses %s=%s with one line that names it and not its value', (name, value) => {
    const message = complaint({ [name]: value });
    expect(message).toMatch(new RegExp(`^${name} `));
    expect(message).not.toContain('\n');
    if (variables.find((variable) => variable.name === name)?.secret) expect(message).not.toContain(value);
  });

  it('names all that are bad', () => {
    expect(complaint({ PORT: 'x', LOG_LEVEL: 'x' })).toMatch(/^PORT .*; LOG_LEVEL /);
  });

  it('each have a meaning', () => {
    for (const variable of variables) expect(variable.meaning, variable.name).toMatch(/\.$/);
  });

  const readme = join(import.meta.dirname, '../../README.md');
  it.runIf(existsSync(readme))('are all in the README, as they are here', () => {
    const rows = readFileSync(readme, 'utf8').split('\n');
    const table = variables.map(({ name, default: value, meaning }) => {
      return `| \`${name}\` | ${value === undefined ? '' : `\`${value}\``} | ${meaning} |`;
    });
    expect(rows.filter((row) => /^\| `[A-Z_]+` \|/.test(row))).toEqual(table);
  });
});

describe('configuration', () => {
  it('needs a way to know users on a database of its own choice', () => {
    const { DATABASE_URL } = external;
    expect(complaint({ DATABASE_URL })).toMatch(/^AUTH_JWT_SECRET or AUTH_JWKS_URL /);
    expect(config(external)).toMatchObject({
      database: { mode: 'external', url: DATABASE_URL },
      auth: { provision: 'closed', trust: [{ type: 'secret', secret }] },
    });
    expect(config({ ...external, AUTH_PROVISION: 'auto' }).auth.provision).toBe('auto');
  });

  it('needs issuer and audience with published keys', () => {
    const keys = { AUTH_JWKS_URL: 'https://id.example/keys' };
    expect(complaint(keys)).toMatch(/^AUTH_ISSUER /);
    expect(complaint({ ...keys, AUTH_ISSUER: 'id' })).toMatch(/^AUTH_AUDIENCE /);
    expect(config({ ...keys, AUTH_ISSUER: 'id', AUTH_AUDIENCE: 'parley' }).auth.trust).toEqual([
      { type: 'jwks', url: keys.AUTH_JWKS_URL, issuer: 'id', audience: 'parley' },
    ]);
  });

  it('keeps the spaces of a secret', () => {
    expect(config({ AUTH_JWT_SECRET: ` ${secret} ` }).auth.trust).toMatchObject([{ secret: ` ${secret} ` }]);
  });

  it('chooses providers by what there is', () => {
    const { llm, stt } = config({ OPENAI_API_KEY: 'sk-1', LLM_MODEL: 'big', STT_PROVIDER: 'local' });
    expect(llm).toEqual({ provider: 'openai', model: 'big', baseURL: undefined, apiKey: 'sk-1' });
    expect(stt).toMatchObject({ provider: 'local' });
    const own = config({ LLM_BASE_URL: 'http://127.0.0.1:11434/v1/', LLM_PROVIDER: 'openai' });
    expect(own.llm).toMatchObject({ baseURL: 'http://127.0.0.1:11434/v1', apiKey: undefined });
    expect(own.tts).toMatchObject({ provider: 'local', voice: undefined });
    expect(config({ OPENAI_BASE_URL: 'http://models/v1' }).tts).toMatchObject({ provider: 'openai', voice: 'alloy' });
  });

  it('keeps files where it is told', () => {
    const data = { DATA_DIR: '/srv/parley' };
    expect(config(data).storage).toEqual({ type: 'file', folder: resolve('/srv/parley/files') });
    expect(config({ ...data, STORAGE_URL: 'file:///srv/other' }).storage).toEqual({
      type: 'file',
      folder: '/srv/other',
    });
    expect(config({ ...data, STORAGE_URL: 'file:/srv/other' }).storage).toEqual({ type: 'file', folder: '/srv/other' });
    expect(config({ STORAGE_URL: 'file:///srv/50%25' }).storage).toEqual({ type: 'file', folder: '/srv/50%' });
    expect(config({ ...data, STORAGE_URL: 's3://bucket' }).storage).toEqual({ type: 's3', url: 's3://bucket' });
  });

  it('takes proxies by address and by network', () => {
    expect(config({ TRUST_PROXY: '10.0.0.1, ::1,172.16.0.0/12 , fd00::/8' }).trustProxy).toEqual([
      { address: '10.0.0.1', prefix: 32, family: 'ipv4' },
      { address: '::1', prefix: 128, family: 'ipv6' },
      { address: '172.16.0.0', prefix: 12, family: 'ipv4' },
      { address: 'fd00::', prefix: 8, family: 'ipv6' },
    ]);
  });

  it('is quiet in a terminal', () => {
    expect(decide(readEnvironment({}), true).logLevel).toBe('warn');
    expect(decide(readEnvironment(external), true).logLevel).toBe('info');
    expect(decide(readEnvironment({ LOG_LEVEL: 'debug' }), true).logLevel).toBe('debug');
  });
});

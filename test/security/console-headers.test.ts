import { request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';

let app: App;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

function headersFor(path: string, host: string): Promise<NodeJS.Dict<string | string[]>> {
  return new Promise((resolve, reject) => {
    const sent = request(app.url + path, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.headers);
    });
    sent.once('error', reject);
    sent.end();
  });
}

async function policyFor(path: string, host: string): Promise<Map<string, string[]>> {
  const policy = String((await headersFor(path, host))['content-security-policy']);
  return new Map(
    policy.split(';').map((directive) => {
      const [name = '', ...sources] = directive.trim().split(/\s+/);
      return [name, sources];
    }),
  );
}

it.each(['/', '/c/x', '/healthz', '/nowhere', '/openapi.json'])(
  '%s runs nothing but files of this server',
  async (path) => {
    const policy = await policyFor(path, 'parley.example:4000');
    expect(policy.get('default-src')).toEqual(["'self'"]);
    expect(policy.get('script-src')).toEqual(["'self'"]);
    expect(policy.get('script-src-attr')).toEqual(["'none'"]);
    expect(policy.get('style-src')).toEqual(["'self'"]);
    expect(policy.get('worker-src')).toEqual(["'self'"]);
    expect(policy.get('object-src')).toEqual(["'none'"]);
    expect(policy.get('base-uri')).toEqual(["'none'"]);
    expect(policy.get('frame-ancestors')).toEqual(["'none'"]);
    expect(policy.get('connect-src')).toEqual(["'self'", 'ws://parley.example:4000', 'wss://parley.example:4000']);
    expect([...policy.values()].flat().filter((source) => /unsafe|^\*$|^https?:/.test(source))).toEqual([]);
  },
);

it('a host that is none adds nothing to the policy', async () => {
  for (const host of ['evil.example; script-src *', 'a b', '*', 'x,y']) {
    const policy = await policyFor('/', host);
    expect([host, policy.get('connect-src')]).toEqual([host, ["'self'", "'self'"]]);
    expect([host, policy.get('script-src')]).toEqual([host, ["'self'"]]);
  }
});

it('the microphone is for its own pages, other devices for none', async () => {
  const policy = String((await headersFor('/', 'parley.example'))['permissions-policy']);
  expect(policy).toContain('microphone=(self)');
  expect(policy).toContain('camera=()');
});

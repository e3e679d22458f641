import { once } from 'node:events';
import { createServer } from 'node:net';
import { openaiModel } from '@parley/server/model/openai/model';
import { ModelError } from '@parley/server/model/port';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, failure } from '../support/ask.ts';
import * as wire from '../support/provider.ts';

const { answer, done, finish, gate, refusal, stream, text } = wire;

const incomplete = { reason: 'MODEL_INCOMPLETE', transient: true };
const unavailable = { reason: 'MODEL_UNAVAILABLE', transient: true };
const refused = { reason: 'MODEL_UNAVAILABLE', transient: false };

describe('a provider that fails', () => {
  let provider: wire.Provider;
  beforeEach(async () => {
    provider = await wire.startProvider();
  });
  afterEach(() => provider.close());
  const model = () => openaiModel({ apiKey: 'key', baseURL: provider.url, model: 'echo' });

  it('ends in good order in mid-reply: incomplete, its text kept, not asked again', async () => {
    provider.script(stream(text('One '), text('two')));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(incomplete);
    expect(asked).toMatchObject({ text: 'One two', attempts: 1, finish: undefined });
    expect(provider.requests).toHaveLength(1);
  });

  it('says [DONE] without a finish reason: incomplete', async () => {
    provider.script(stream(text('One '), text('two'), done));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(incomplete);
    expect(asked).toMatchObject({ text: 'One two', attempts: 1 });
  });

  it('answers HTML with 200: incomplete, asked again as long as nothing was said', async () => {
    const html = { headers: { 'content-type': 'text/html' }, steps: ['<html><body>Sign in</body></html>'] };
    provider.script(html, html, html);
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(incomplete);
    expect(asked).toMatchObject({ text: '', attempts: 3 });
    expect(provider.requests).toHaveLength(3);
  });

  it('answers JSON instead of a stream: incomplete', async () => {
    provider.script({ headers: { 'content-type': 'application/json' }, steps: ['{"choices":[]}'] });
    expect(failure((await ask(model(), { attempts: 1 })).error)).toEqual(incomplete);
  });

  it('answers nothing at all, then properly: the second answer is the answer', async () => {
    provider.script(stream(), answer('Here', ' again'));
    const asked = await ask(model());
    expect(asked).toMatchObject({ text: 'Here again', finish: 'stop', error: undefined, attempts: 2 });
  });

  it('answers nothing at all, always: incomplete', async () => {
    provider.script(stream(), stream(), stream());
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(incomplete);
    expect(asked.attempts).toBe(3);
  });

  it('sends a chunk that is no JSON: incomplete, the text before it kept', async () => {
    provider.script(stream(text('One'), 'data: {"choices":[{"delta":{"conte\n\n', text(' two'), finish(), done));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(incomplete);
    expect(asked).toMatchObject({ text: 'One', attempts: 1 });
  });

  it('stops in the middle of its last line: incomplete', async () => {
    provider.script(stream(text('One'), finish().slice(0, -20)));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(incomplete);
    expect(asked).toMatchObject({ text: 'One', attempts: 1 });
  });

  it('sends a line without an end: incomplete, and no more memory is spent on it', async () => {
    provider.script(stream(text('One'), 'data: ', ...Array.from({ length: 40 }, () => 'x'.repeat(50_000)), gate()));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(incomplete);
    expect(await (await provider.request(0)).ended).toBe('aborted');
  });

  it('falls silent after the first piece: a timeout, the piece kept, the connection closed', async () => {
    provider.script(stream(text('One'), gate()));
    const asked = await ask(model(), { idleMs: 60 });
    expect(failure(asked.error)).toEqual({ reason: 'MODEL_TIMEOUT', transient: true });
    expect(asked).toMatchObject({ text: 'One', attempts: 1 });
    expect(await (await provider.request(0)).ended).toBe('aborted');
  });

  it('says nothing from the start, twice, then answers: the third attempt is the answer', async () => {
    provider.script(stream(gate()), stream(gate()), answer('At', ' last'));
    const asked = await ask(model(), { firstTokenMs: 500 });
    expect(asked).toMatchObject({ text: 'At last', finish: 'stop', attempts: 3 });
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('answers 429 with Retry-After: waits as long as it wants, then asks again', async () => {
    provider.script(refusal(429, { 'retry-after': '1' }), answer('Here'));
    const began = performance.now();
    const asked = await ask(model());
    expect(asked).toMatchObject({ text: 'Here', attempts: 2, finish: 'stop' });
    expect(performance.now() - began).toBeGreaterThanOrEqual(990);
  });

  it('answers 429 and wants a longer wait than is worth it: given up at once, with its wish', async () => {
    provider.script(refusal(429, { 'retry-after': '120' }));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(unavailable);
    expect(asked.error).toMatchObject({ retryAfterMs: 120_000 });
    expect(asked.attempts).toBe(1);
  });

  it('answers 429 because nothing is left to spend: asking again cannot help', async () => {
    provider.script(refusal(429, {}, { code: 'insufficient_quota' }));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(refused);
    expect(asked.attempts).toBe(1);
  });

  it('answers 500: asked three times in all', async () => {
    provider.script(refusal(500), refusal(503), refusal(500));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(unavailable);
    expect(asked).toMatchObject({ text: '', attempts: 3 });
    expect(provider.requests).toHaveLength(3);
  });

  it.each([400, 401, 403, 404, 422])('answers %i: asked once, for it would be the same again', async (status) => {
    provider.script(refusal(status));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(refused);
    expect(asked.attempts).toBe(1);
    expect(provider.requests).toHaveLength(1);
    expect(String(asked.error)).not.toContain('scripted refusal');
  });

  it('resets the connection before it answers: unavailable, asked again', async () => {
    const reset = { steps: ['reset'] as const };
    provider.script(reset, reset, answer('Here'));
    expect(await ask(model())).toMatchObject({ text: 'Here', attempts: 3, finish: 'stop' });
  });

  it('resets the connection in mid-reply: incomplete, not asked again', async () => {
    const hold = gate();
    provider.script(stream(text('One'), hold, 'reset'));
    const asked = await ask(model(), {}, undefined, hold.release);
    expect(failure(asked.error)).toEqual(incomplete);
    expect(asked).toMatchObject({ text: 'One', attempts: 1 });
  });

  it('is not there: unavailable', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    server.close();
    await once(server, 'close');
    const asked = await ask(openaiModel({ baseURL: `http://127.0.0.1:${port}/v1`, model: 'echo' }));
    expect(failure(asked.error)).toEqual(unavailable);
    expect(asked.attempts).toBe(3);
  });

  it('reports an error as its first event: unavailable, asked again', async () => {
    const overloaded = wire.event({ error: { message: 'overloaded', type: 'server_error', code: 503 } });
    provider.script(stream(overloaded), answer('Here'));
    expect(await ask(model())).toMatchObject({ text: 'Here', attempts: 2 });
  });

  it('reports an error in mid-reply: incomplete, not asked again', async () => {
    provider.script(stream(text('One'), wire.event({ error: { message: 'gone', type: 'server_error' } })));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(incomplete);
    expect(asked).toMatchObject({ text: 'One', attempts: 1 });
    expect(asked.error).toBeInstanceOf(ModelError);
  });

  it('reports that the request is at fault: asking again cannot help', async () => {
    provider.script(stream(wire.event({ error: { type: 'invalid_request_error', code: 'context_length_exceeded' } })));
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual(refused);
    expect(asked.attempts).toBe(1);
  });

  it('gives an error for a finish reason: incomplete', async () => {
    provider.script(stream(text('One'), finish('error'), done));
    expect(failure((await ask(model())).error)).toEqual(incomplete);
  });
});

import { LLMock } from '@copilotkit/aimock';
import { openaiModel } from '@parley/server/model/openai/model';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, failure } from '../support/ask.ts';

/** The same model against a service that was written by others. */
describe('openaiModel with aimock', () => {
  let mock: LLMock;
  beforeEach(async () => {
    mock = await LLMock.create({ port: 0, chunkSize: 5 });
  });
  afterEach(() => mock.stop());
  const model = () => openaiModel({ apiKey: 'mock', baseURL: `${mock.url}/v1`, model: 'gpt-test' });

  it('streams a chat answer in pieces, with its usage', async () => {
    const content = '春天来了。Spring has come 🌱 and everything grows.';
    mock.onMessage('hello', { content });
    const asked = await ask(model());
    expect(asked).toMatchObject({ text: content, finish: 'stop', error: undefined, attempts: 1 });
    expect(asked.parts.filter(({ type }) => type === 'text').length).toBeGreaterThan(3);
    expect(asked.parts.find(({ type }) => type === 'usage')).toMatchObject({ tokensOut: expect.any(Number) });
  });

  it('keeps the reasoning out', async () => {
    mock.onMessage('hello', { content: 'Forty-two.', reasoning: 'They greet me. I should answer.' });
    expect(await ask(model())).toMatchObject({ text: 'Forty-two.', finish: 'stop' });
  });

  it('takes a length finish', async () => {
    mock.onMessage('hello', { content: 'It goes on and', finishReason: 'length' });
    expect(await ask(model())).toMatchObject({ text: 'It goes on and', finish: 'length' });
  });

  it('asks again after a 500', async () => {
    mock.onMessage('hello', { content: 'Here' });
    mock.nextRequestError(500, { message: 'boom', type: 'server_error' });
    expect(await ask(model())).toMatchObject({ text: 'Here', attempts: 2, finish: 'stop' });
  });

  it('waits as a 429 asks for', async () => {
    mock.onMessage('hello', { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429, retryAfter: 60 });
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual({ reason: 'MODEL_UNAVAILABLE', transient: true });
    expect(asked.error).toMatchObject({ retryAfterMs: 60_000 });
    expect(asked.attempts).toBe(1);
  });

  it('keeps what came before a truncation, and never takes it for the answer', async () => {
    const content = 'One two three four five';
    mock.onMessage('hello', { content }, { truncateAfterChunks: 3, latency: 20 });
    const asked = await ask(model());
    // It resets the connection, which may take unread text with it: only text that was read makes the failure final.
    const isKept = asked.text !== '';
    const reason = isKept ? 'MODEL_INCOMPLETE' : 'MODEL_UNAVAILABLE';
    expect(failure(asked.error)).toEqual({ reason, transient: true });
    expect(asked.attempts).toBe(isKept ? 1 : 3);
    expect(content.startsWith(asked.text)).toBe(true);
    expect(asked.finish).toBeUndefined();
  });

  it('finds no answer for it: 404, asked once', async () => {
    const asked = await ask(model());
    expect(failure(asked.error)).toEqual({ reason: 'MODEL_UNAVAILABLE', transient: false });
    expect(asked.attempts).toBe(1);
  });
});

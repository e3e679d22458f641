import { openaiModel } from '@parley/server/model/openai/model';
import type { ModelPart } from '@parley/server/model/port';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, prompt } from '../support/ask.ts';
import * as wire from '../support/provider.ts';

const { answer, chunk, done, finish, gate, refusal, stream, text, usage } = wire;

describe('openaiModel', () => {
  let provider: wire.Provider;
  beforeEach(async () => {
    provider = await wire.startProvider();
  });
  afterEach(() => provider.close());
  const model = () => openaiModel({ apiKey: 'secret-key', baseURL: provider.url, model: 'echo' });

  it('sends the prompt as the service wants it', async () => {
    const request = prompt('Hello', { model: 'other', temperature: 0.3 });
    const parts = await Array.fromAsync(model().stream(request, new AbortController().signal));
    const { body, headers } = await provider.request(0);
    expect(body).toEqual({
      model: 'other',
      messages: [{ role: 'user', content: 'Hello' }],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.3,
    });
    expect(headers.authorization).toBe('Bearer secret-key');
    expect(parts.at(-1)).toEqual({ type: 'finish', reason: 'stop' });
  });

  it('gives each piece as it comes, then the usage, then the finish', async () => {
    const hold = gate();
    provider.script(answer('One', hold, ' two'));
    const seen: string[] = [];
    const asked = await ask(model(), {}, undefined, (piece) => {
      seen.push(piece);
      hold.release();
    });
    expect(seen).toEqual(['One', ' two']);
    expect(asked.parts.slice(2)).toEqual([
      { type: 'usage', tokensIn: 7, tokensOut: 3 },
      { type: 'finish', reason: 'stop' },
    ]);
  });

  it.each(['length', 'content_filter'])('takes %s for a finish', async (reason) => {
    provider.script(stream(text('One'), finish(reason), done));
    expect(await ask(model())).toMatchObject({ text: 'One', finish: reason, error: undefined });
  });

  it('is content with a finish reason, whatever becomes of the stream afterwards', async () => {
    const hold = gate();
    provider.script(stream(text('One'), finish(), 'data: {"half'), stream(text('Two'), finish(), hold, 'reset'));
    expect(await ask(model())).toMatchObject({ text: 'One', finish: 'stop', attempts: 1 });
    const asked = ask(model());
    await provider.request(1);
    hold.release();
    expect(await asked).toMatchObject({ text: 'Two', finish: 'stop', attempts: 1 });
  });

  it('does not wait for ever for the end of a stream that has finished', async () => {
    provider.script(stream(text('One'), finish(), gate()));
    expect(await ask(model())).toMatchObject({ text: 'One', finish: 'stop' });
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('reads a character that TCP cut in two', async () => {
    const bytes = Buffer.from(text('北京'));
    const cut = bytes.indexOf(Buffer.from('京')) + 1;
    const hold = gate();
    provider.script(
      stream(
        Buffer.concat([Buffer.from(text('你好')), bytes.subarray(0, cut)]),
        hold,
        bytes.subarray(cut),
        finish(),
        done,
      ),
    );
    expect(await ask(model(), {}, undefined, hold.release)).toMatchObject({ text: '你好北京', finish: 'stop' });
  });

  it('keeps a character together that the service cut in two', async () => {
    const [high = '', low = ''] = ['\ud83d', '\ude00'];
    provider.script(stream(text(`a${high}`), text(`${low}b`), finish(), done));
    const asked = await ask(model());
    expect(asked.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))).toEqual(['a', '😀b']);
  });

  it('keeps reasoning out of the text, by whatever name it comes', async () => {
    provider.script(
      stream(chunk({ reasoning_content: 'Hm.' }), chunk({ reasoning: 'So …' }), text('Yes'), finish(), done),
      stream(
        ...['\n<th', 'ink>I should', ' say </', 'thi', 'nk>', '\n\n', 'Yes <think>', '!'].map(text),
        finish(),
        done,
      ),
      stream(text('<think>never closed'), finish('length'), done),
      stream(text('<thi'), finish(), done),
    );
    const texts: string[] = [];
    for (let round = 0; round < 4; round++) texts.push((await ask(model())).text);
    expect(texts).toEqual(['Yes', 'Yes <think>!', '', '<thi']);
  });

  it('counts reasoning as a sign of life', async () => {
    provider.script(stream(chunk({ reasoning_content: 'Hm.' }), text('Yes'), finish(), done));
    const parts: ModelPart[] = await Array.fromAsync(model().stream(prompt(), new AbortController().signal));
    expect(parts.map(({ type }) => type)).toEqual(['reasoning', 'text', 'finish']);
  });

  it('does without the usage where a service refuses to tell it, and remembers', async () => {
    const refusing = model();
    provider.script(refusal(400, {}, { message: "Unrecognized request argument supplied: 'stream_options'" }));
    expect(await ask(refusing)).toMatchObject({ finish: 'stop', attempts: 1 });
    expect(await ask(refusing)).toMatchObject({ finish: 'stop', attempts: 1 });
    expect(provider.requests.map(({ body }) => 'stream_options' in body)).toEqual([true, false, false]);
  });

  it('closes the connection at once when it is aborted', async () => {
    provider.script(stream(text('One'), gate()));
    const controller = new AbortController();
    const stop = new Error('interrupted');
    const asked = await ask(model(), {}, controller.signal, () => controller.abort(stop));
    expect(asked).toMatchObject({ text: 'One', error: stop, attempts: 1 });
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('closes the connection when it is aborted before any answer', async () => {
    const controller = new AbortController();
    provider.script(stream(gate()));
    const parts = Array.fromAsync(model().stream(prompt(), controller.signal));
    const request = await provider.request(0);
    const stop = new Error('interrupted');
    controller.abort(stop);
    await expect(parts).rejects.toBe(stop);
    expect(await request.ended).toBe('aborted');
  });

  it('closes the connection when its reader leaves', async () => {
    provider.script(stream(text('One'), gate()));
    for await (const part of model().stream(prompt(), new AbortController().signal)) {
      expect(part).toEqual({ type: 'text', text: 'One' });
      break;
    }
    expect(await provider.requests[0]?.ended).toBe('aborted');
  });

  it('uses a connection again for the next answer', async () => {
    const one = model();
    for (let round = 0; round < 8; round++) expect((await ask(one)).finish).toBe('stop');
    // An answer is given as soon as it is complete; the next may then come before its connection is free again.
    expect(new Set(provider.requests.map(({ connection }) => connection)).size).toBeLessThan(4);
    for (const request of provider.requests) expect(await request.ended).toBe('complete');
  });

  it('tells the usage that stands in the chunk of the finish', async () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2 };
    provider.script(stream(text('One'), chunk({}, 'stop', { usage }), done));
    expect((await ask(model())).parts).toContainEqual({ type: 'usage', tokensIn: 3, tokensOut: 2 });
  });

  it('takes a service that ends without [DONE] and without a last empty line', async () => {
    provider.script(stream(text('One'), finish(), usage(1, 1).trimEnd()));
    expect(await ask(model())).toMatchObject({ text: 'One', finish: 'stop' });
  });
});

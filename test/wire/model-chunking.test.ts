import { readAnswer } from '@parley/server/model/openai/read';
import type { ModelPart } from '@parley/server/model/port';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { chunk, done, event, finish, text, usage } from '../support/provider.ts';

/** Reads bytes that arrive in exactly these chunks. */
async function read(bytes: Uint8Array, cuts: readonly number[]): Promise<{ text: string; ending: unknown }> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let at = 0;
      for (const cut of [...new Set(cuts)].sort((a, b) => a - b)) {
        controller.enqueue(bytes.subarray(at, cut));
        at = cut;
      }
      controller.enqueue(bytes.subarray(at));
      controller.close();
    },
  });
  const parts = readAnswer(body.getReader(), new AbortController());
  const said: ModelPart[] = [];
  for (;;) {
    const { value, done } = await parts.next();
    if (done) return { text: said.map((part) => (part.type === 'text' ? part.text : '')).join(''), ending: value };
    said.push(value);
  }
}

const piece = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('你好，', '👨‍👩‍👧', '\r\n', 'data: ', '<think>', '\ufeff'),
);

it('gives the same text for any cut of the same bytes, with any line ends, comments and thinking', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 12 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.boolean(),
      fc.array(fc.nat(5_000), { maxLength: 40 }),
      async (pieces, newline, thinks, points) => {
        const expected = pieces.join('');
        const thinking = thinks ? ['<th', 'ink>深思', '</thi', 'nk>'].map(text) : [];
        const start = thinks ? text('So: ') : text('\u200bSo: ');
        const wire = [
          ': keep-alive\n\n',
          'event: message\nid: 1\n',
          chunk({ role: 'assistant', content: '' }),
          ...thinking,
          start,
          ...pieces.map(text),
          finish(),
          usage(3, 4),
          done,
          event({ choices: [{ index: 0, delta: { content: 'too late' } }] }),
        ].join('');
        const bytes = new TextEncoder().encode(wire.replaceAll('\n', newline));
        const got = await read(
          bytes,
          points.map((point) => point % bytes.length),
        );
        expect(got.text).toBe((thinks ? 'So: ' : '\u200bSo: ') + expected);
        expect(got.ending).toEqual({
          usage: { type: 'usage', tokensIn: 3, tokensOut: 4 },
          finish: { type: 'finish', reason: 'stop' },
        });
      },
    ),
    { numRuns: 300 },
  );
});

it('gives the same text byte by byte', async () => {
  const bytes = new TextEncoder().encode([text('深'), text('圳 🏙️'), finish('length'), done].join(''));
  const got = await read(
    bytes,
    Array.from(bytes, (_, index) => index),
  );
  expect(got).toEqual({ text: '深圳 🏙️', ending: { usage: undefined, finish: { type: 'finish', reason: 'length' } } });
});

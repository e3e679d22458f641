import { fieldOf, hintOf, labelOf } from '@parley/client/playground/src/schema';
import { fromText, toText } from '@parley/client/playground/src/text';
import { fits, initial, isShowable, optionOf } from '@parley/client/playground/src/value';
import { describeProcedures } from '@parley/server/rpc/playground';
import { appRouter } from '@parley/server/rpc/router';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const inputs = new Map(describeProcedures(appRouter).map(({ path, input }) => [path, input]));
const field = (path: string) => fieldOf(inputs.get(path));
const json = (schema: z.ZodType) => fieldOf(z.toJSONSchema(schema, { io: 'input' }));

describe('a field', () => {
  it('is read from each kind of schema', () => {
    expect(json(z.string().max(5))).toEqual({ kind: 'text', isId: false, most: 5 });
    expect(json(z.uuid())).toMatchObject({ kind: 'text', isId: true });
    expect(json(z.int().min(1).max(9))).toEqual({ kind: 'number', isInteger: true, least: 1, most: 9 });
    expect(json(z.int())).toMatchObject({ kind: 'number', most: undefined });
    expect(json(z.int().positive())).toMatchObject({ least: 1 });
    expect(json(z.boolean())).toEqual({ kind: 'boolean' });
    expect(json(z.enum(['a', 'b']))).toEqual({ kind: 'choice', options: ['a', 'b'] });
    expect(json(z.literal('a'))).toEqual({ kind: 'constant', value: 'a' });
    expect(json(z.string().nullable())).toMatchObject({
      kind: 'either',
      options: [{ kind: 'text' }, { kind: 'constant', value: null }],
    });
    expect(json(z.array(z.boolean()).min(1).max(3))).toEqual({
      kind: 'list',
      item: { kind: 'boolean' },
      least: 1,
      most: 3,
    });
    expect(json(z.record(z.string(), z.json()))).toEqual({ kind: 'json', isObject: true });
    expect(json(z.object({ a: z.json() }))).toMatchObject({
      properties: [{ field: { kind: 'json', isObject: false } }],
    });
    expect(fieldOf({ type: ['string', 'null'] })).toMatchObject({ kind: 'either' });
    expect(fieldOf(undefined)).toEqual({ kind: 'json', isObject: false });
  });

  it('tells what must be there, and what is taken otherwise', () => {
    const parsed = json(z.object({ a: z.string(), b: z.int().default(7), c: z.boolean().optional() }));
    expect(parsed).toMatchObject({
      properties: [
        { name: 'a', isRequired: true, standard: undefined },
        { name: 'b', isRequired: false, standard: 7 },
        { name: 'c', isRequired: false, standard: undefined },
      ],
    });
  });

  it('is bytes where the router takes bytes', () => {
    expect(field('voice.transcribe')).toMatchObject({
      properties: expect.arrayContaining([
        expect.objectContaining({ name: 'data', field: { kind: 'bytes', most: expect.any(Number) } }),
      ]),
    });
  });

  it('has words for itself', () => {
    expect(hintOf(json(z.string().max(5)))).toBe('text, at most 5 characters');
    expect(hintOf(json(z.int().min(1).max(9)))).toBe('whole number from 1 to 9');
    expect(hintOf(json(z.number().positive()))).toBe('number above 0');
    expect(hintOf(json(z.number()))).toBe('number');
    expect(hintOf(json(z.string().nullable()))).toBe('text or null');
    expect(hintOf(fieldOf({ type: 'string', contentEncoding: 'base64', maxLength: 4_000_000 }))).toBe(
      'file, at most 3.0 MB',
    );
    expect(labelOf(json(z.object({ type: z.literal('text'), text: z.string() })))).toBe('text');
    expect(labelOf(json(z.object({ id: z.string() })))).toBe('{ id }');
  });
});

describe('a value to begin with', () => {
  it('is the least that each procedure of the router takes, but for what only people know', () => {
    const id = '01a1f7cf-3bcf-7018-a86d-f570eea1006a';
    for (const [path, schema] of inputs) {
      if (schema === null) continue;
      const value = initial(fieldOf(schema), (name) => (/id$/i.test(name) ? id : 'something'));
      const { success } = z.fromJSONSchema(schema).safeParse(value);
      // A file is chosen by hand.
      expect([path, success]).toEqual([path, !JSON.stringify(schema).includes('base64')]);
      expect([path, isShowable(fieldOf(schema), value)]).toEqual([path, true]);
    }
  });

  it('takes what is known, by name', () => {
    const send = initial(field('turns.send'), (name) => (name === 'conversationId' ? 'c1' : undefined));
    expect(send).toEqual({ conversationId: 'c1', parts: [{ type: 'text', text: '' }] });
    expect(initial(field('conversations.list'))).toEqual({});
  });
});

describe('a choice among several', () => {
  const speak = fieldOf({
    anyOf: [{ type: 'boolean' }, { type: 'object', properties: { keep: { type: 'boolean' } } }],
  });
  const part = json(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('text'), text: z.string() }),
      z.object({ type: z.literal('attachment'), attachmentId: z.string() }),
    ]),
  );

  it('is the one that the value is of', () => {
    if (speak.kind !== 'either' || part.kind !== 'either') throw new Error('not a choice');
    expect([true, { keep: true }, {}].map((value) => optionOf(speak, value))).toEqual([0, 1, 1]);
    expect(optionOf(part, { type: 'attachment', attachmentId: '' })).toBe(1);
    expect(optionOf(part, { type: 'text', text: '' })).toBe(0);
    expect(optionOf(part, 17)).toBe(0);
  });

  it('is not shown where it is none of them', () => {
    expect(fits(part, { type: 'neither' })).toBe(false);
    expect(isShowable(field('turns.send'), { conversationId: 'x', parts: [{ type: 'text', text: 'a' }] })).toBe(true);
    expect(isShowable(field('turns.send'), { conversationId: 'x', parts: [{ type: 'text', text: 1 }] })).toBe(false);
    expect(isShowable(field('turns.send'), { conversationId: 'x', parts: [], more: 1 })).toBe(false);
    expect(isShowable(field('turns.send'), 'text')).toBe(false);
  });
});

describe('the text of a value', () => {
  it('holds bytes by their length, and gives them back', () => {
    const value = { format: 'wav', data: Uint8Array.of(1, 2, 3), more: [Uint8Array.of(4)] };
    const { text, bytes } = toText(value);
    expect(JSON.parse(text)).toEqual({ format: 'wav', data: { $bytes: 3 }, more: [{ $bytes: 1 }] });
    expect(fromText(text, bytes)).toEqual(value);
    expect(fromText('{"data":{"$bytes":1}}', bytes)).toEqual({ data: Uint8Array.of(4) });
    expect(() => fromText('{"data":{"$bytes":9}}', bytes)).toThrow(/no file of 9 bytes/);
    expect(() => fromText('[{"$bytes":3},{"$bytes":3}]', bytes)).toThrow(SyntaxError);
  });

  it('is empty for no value', () => {
    expect(toText(undefined)).toEqual({ text: '', bytes: [] });
    expect(fromText(' ')).toBeUndefined();
    expect(() => fromText('{')).toThrow(SyntaxError);
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AppRouter } from '@parley/server/rpc/router';
import { newId } from '@parley/shared/id';
import { createTRPCClient, httpLink } from '@trpc/client';
import superjson from 'superjson';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jwtSecret } from '../support/app.ts';
import { type FileApp, fetchFile, png, startFileApp } from '../support/attachment.ts';
import { cli } from '../support/cli.ts';
import { parleyOf } from '../support/parley.ts';
import { failureOf, reasonOf } from '../support/stock.ts';

let app: FileApp;
beforeAll(async () => {
  app = await startFileApp();
});
afterAll(() => app.stop());

/** Stock `httpLink` for what is no JSON, as tRPC's documentation sets it up. */
async function bodies(headers: Record<string, string> = {}) {
  const transformer = { serialize: (value: unknown) => value, deserialize: superjson.deserialize };
  const authorization = `Bearer ${await app.token('ada')}`;
  const link = httpLink({ url: `${app.url}/trpc`, transformer, headers: { authorization, ...headers } });
  return createTRPCClient<AppRouter>({ links: [link] });
}

async function bytesOf(url: string): Promise<Buffer> {
  return Buffer.from(await (await fetchFile(app, url)).arrayBuffer());
}

describe('attachments.upload', () => {
  it.each(['binary', 'websocket', 'http'] as const)('takes bytes over %s', async (transport) => {
    const { trpc } = await parleyOf(app, 'ada', { transport });
    const named = await trpc.attachments.upload.mutate({ filename: 'photo.png', data: png });
    expect(named).toMatchObject({ filename: 'photo.png', mediaType: 'image/png', size: png.length, kind: 'image' });
    expect(await bytesOf(named.url)).toEqual(png);
    expect(await trpc.attachments.get.query({ attachmentId: named.id })).toEqual(named);
    expect(await trpc.attachments.get.query({ id: named.id })).toEqual(named);
    const bare = await trpc.attachments.upload.mutate(new Uint8Array(png));
    expect(bare).toMatchObject({ filename: 'file', sha256: named.sha256 });
  });

  it('takes base64 from a stock client, and is idempotent by id', async () => {
    const ada = await app.trpc('ada');
    const input = { id: newId(), filename: 'a.png', data: png.toString('base64') };
    const first = await ada.attachments.upload.mutate(input);
    expect(first.id).toBe(input.id);
    expect(await ada.attachments.upload.mutate(input)).toEqual(first);
    expect(await reasonOf(ada.attachments.upload.mutate({ ...input, filename: 'b.png' }))).toBe('IDEMPOTENCY_CONFLICT');
    for (const data of ['', 'not base64!', new Uint8Array(0)])
      expect(await reasonOf(ada.attachments.upload.mutate({ filename: 'a', data }))).toBe('INVALID_INPUT');
    expect(await reasonOf(ada.attachments.upload.mutate({ ...input, id: 'no uuid' }))).toBe('INVALID_INPUT');
  });

  it('takes a form, a file and a blob over HTTP', async () => {
    const client = await bodies();
    const form = new FormData();
    const id = newId();
    form.append('id', id);
    form.append('file', new File([png], '相片.png'));
    const sent = await client.attachments.upload.mutate(form);
    expect(sent).toMatchObject({ id, filename: '相片.png', mediaType: 'image/png', size: png.length });
    expect(await bytesOf(sent.url)).toEqual(png);
    const blob = await client.attachments.upload.mutate(new Blob([png]));
    expect(blob).toMatchObject({ filename: 'file', mediaType: 'image/png', size: png.length });
    expect(await reasonOf(client.attachments.upload.mutate(new FormData()))).toBe('INVALID_INPUT');
    expect(await reasonOf(client.attachments.upload.mutate(new Blob([])))).toBe('INVALID_INPUT');
  });

  it('refuses what is too large for a message, also when it is not told how large it is', async () => {
    const client = await bodies();
    const large = new Blob([new Uint8Array(8 * 1024 * 1024)]);
    const form = new FormData();
    form.append('file', large);
    const before = app.stored().length;
    expect(await reasonOf(client.attachments.upload.mutate(form))).toBe('PAYLOAD_TOO_LARGE');
    expect(await reasonOf(client.attachments.upload.mutate(large))).toBe('PAYLOAD_TOO_LARGE');
    for (const sent of [large, form]) {
      const { headers, body } = new Response(sent);
      const type = headers.get('content-type') ?? 'application/octet-stream';
      const request: RequestInit & { duplex: 'half' } = {
        method: 'POST',
        headers: { authorization: `Bearer ${await app.token('ada')}`, 'content-type': type },
        body,
        duplex: 'half',
      };
      expect((await fetch(`${app.url}/trpc/attachments.upload`, request)).status).toBe(413);
    }
    expect(app.stored()).toHaveLength(before);
  });

  it('needs the scope', async () => {
    const ada = await app.trpc('ada', { scope: ['chat'] });
    const refused = { reason: 'SCOPE_MISSING', details: { scope: 'files' } };
    expect(await failureOf(ada.attachments.upload.mutate({ data: png.toString('base64') }))).toMatchObject(refused);
    expect(await failureOf(ada.attachments.get.query({ attachmentId: newId() }))).toMatchObject(refused);
  });
});

describe('GET /openapi.json', () => {
  it('describes the routes of files', async () => {
    const { paths } = await (await fetch(`${app.url}/openapi.json`)).json();
    expect(Object.keys(paths['/attachments'])).toEqual(['post']);
    expect(Object.keys(paths['/attachments/{id}'])).toEqual(['get']);
    expect(paths['/trpc/attachments.upload'].post.requestBody).toBeDefined();
  });
});

describe('parley upload', () => {
  const env = { AUTH_JWT_SECRET: jwtSecret };
  const session = () => ['--url', app.url, '--user', 'ada', '--tenant', 'acme'];

  it('uploads a file and prints its id, or all of it as JSON', async () => {
    const file = join(app.folder, `${newId()}.png`);
    await writeFile(file, png);
    const id = newId();
    const plain = cli(['upload', file, '--id', id, ...session()], { env });
    expect(await plain.ended).toBe(0);
    expect(plain.stdout).toBe(`${id}\n`);
    expect(plain.stderr).toContain('image/png');
    expect(await bytesOf(`/attachments/${id}`)).toEqual(png);
    const json = cli(['upload', file, '--id', id, '--json', ...session()], { env });
    expect(await json.ended).toBe(0);
    expect(JSON.parse(json.stdout)).toMatchObject({ id, mediaType: 'image/png', size: png.length });
  });

  it('says why it cannot', async () => {
    const missing = cli(['upload', '/no/such/file', ...session()], { env });
    expect(await missing.ended).toBe(1);
    expect(missing.stderr).toBe('parley: there is no file /no/such/file\n');
    const refused = cli(['upload', import.meta.filename, '--url', app.url, '--token', 'nonsense'], { env });
    expect(await refused.ended).toBe(1);
    expect(refused.stderr).toContain('(UNAUTHENTICATED, trace ');
    expect(await cli(['upload', ...session()], { env }).ended).toBe(2);
  });
});

import { createHash, randomBytes } from 'node:crypto';
import { newId } from '@parley/shared/id';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FileApp, fetchFile, png, post, postBody, startFileApp } from '../support/attachment.ts';
import { failureOf } from '../support/stock.ts';

let app: FileApp;
beforeAll(async () => {
  app = await startFileApp();
});
afterAll(() => app.stop());

const text = new TextEncoder();

describe('POST /attachments', () => {
  it('takes a file, says what it is, and gives it back', async () => {
    const { status, attachment } = await post(app, png, { filename: 'photo.png' });
    expect(status).toBe(200);
    expect(attachment).toEqual({
      id: expect.any(String),
      filename: 'photo.png',
      mediaType: 'image/png',
      size: png.length,
      sha256: createHash('sha256').update(png).digest('hex'),
      url: `/attachments/${attachment.id}`,
      kind: 'image',
    });
    const got = await fetchFile(app, attachment.url);
    expect(got.status).toBe(200);
    expect(Buffer.from(await got.arrayBuffer())).toEqual(png);
    expect(Object.fromEntries(got.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(png.length),
      etag: `"${attachment.sha256}"`,
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'content-disposition': `inline; filename="photo.png"; filename*=UTF-8''photo.png`,
      'cache-control': 'private, no-cache',
      'content-security-policy': "sandbox; default-src 'none'",
    });
    expect(await (await app.http('ada')).attachments.get.query({ attachmentId: attachment.id })).toEqual(attachment);
  });

  it('gives the same attachment for the same id, and refuses it for another file', async () => {
    const id = newId();
    const before = app.stored().length;
    const first = await post(app, png, { id, filename: 'a.png' });
    expect(first.attachment.id).toBe(id);
    const again = await Promise.all([1, 2, 3].map(() => post(app, png, { id, filename: 'a.png' })));
    for (const each of again) expect(each.attachment).toEqual(first.attachment);
    expect(await post(app, text.encode('other'), { id, filename: 'a.png' })).toMatchObject({
      status: 409,
      reason: 'IDEMPOTENCY_CONFLICT',
    });
    expect(await post(app, png, { id, filename: 'a.png', user: 'eve' })).toMatchObject({
      status: 404,
      reason: 'NOT_FOUND',
    });
    expect(app.stored()).toHaveLength(before + 1);
    expect(await (await app.http('eve')).attachments.get.query({ attachmentId: id }).catch(() => 'none')).toBe('none');
  });

  it('refuses what is no file, an empty one, two, and an id that is none', async () => {
    const before = app.stored().length;
    const form = (build: (form: FormData) => void) => {
      const made = new FormData();
      build(made);
      return made;
    };
    const file = new Blob([png]);
    const bodies: [BodyInit | null, string][] = [
      [null, 'INVALID_INPUT'],
      ['{}', 'INVALID_INPUT'],
      [form((made) => made.append('id', newId())), 'INVALID_INPUT'],
      [form((made) => made.append('file', new Blob([]), 'empty')), 'INVALID_INPUT'],
      [
        form((made) => {
          made.append('file', file, 'a');
          made.append('file', file, 'b');
        }),
        'INVALID_INPUT',
      ],
      [
        form((made) => {
          made.append('file', file, 'a');
          made.append('id', 'no uuid');
        }),
        'INVALID_INPUT',
      ],
    ];
    for (const [body, reason] of bodies) expect(await postBody(app, body)).toMatchObject({ status: 400, reason });
    const headers = { 'content-type': 'multipart/form-data; boundary=xyz' };
    for (const body of [
      '',
      'nonsense',
      '--xyz\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\ncut',
    ])
      expect((await postBody(app, body, { headers })).status).toBe(400);
    expect((await postBody(app, 'x', { headers: { 'content-type': 'multipart/form-data' } })).status).toBe(400);
    expect(app.stored()).toHaveLength(before);
    const strays = await app.database.db.selectFrom('stray_files').selectAll().execute();
    expect(strays).toEqual([]);
  });

  it('takes 25 MB, and refuses one byte more', async () => {
    const most = 25 * 1024 * 1024;
    const whole = randomBytes(most);
    const { attachment } = await post(app, whole, { filename: 'large.bin' });
    expect(attachment).toMatchObject({ size: most, mediaType: 'application/octet-stream', kind: 'file' });
    const got = await fetchFile(app, attachment.url);
    const hash = createHash('sha256').update(Buffer.from(await got.arrayBuffer()));
    expect(hash.digest('hex')).toBe(createHash('sha256').update(whole).digest('hex'));
    const before = app.stored().length;
    expect(await post(app, Buffer.concat([whole, Buffer.alloc(1)]))).toMatchObject({
      status: 413,
      reason: 'PAYLOAD_TOO_LARGE',
      details: { most },
    });
    expect(app.stored()).toHaveLength(before);
  });
});

describe('GET /attachments/:id', () => {
  const content = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256));
  let url: string;
  let tag: string;
  beforeAll(async () => {
    const { attachment } = await post(app, content);
    url = attachment.url;
    tag = `"${attachment.sha256}"`;
  });

  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=10-19', 10, 19],
    ['bytes=990-', 990, 999],
    ['bytes=990-5000', 990, 999],
    ['bytes=-10', 990, 999],
    ['bytes=-5000', 0, 999],
    ['Bytes=0-999', 0, 999],
  ])('gives one range: %s', async (range, start, end) => {
    const got = await fetchFile(app, url, { headers: { range } });
    expect(got.status).toBe(206);
    expect(got.headers.get('content-range')).toBe(`bytes ${start}-${end}/1000`);
    expect(got.headers.get('content-length')).toBe(String(end - start + 1));
    expect(Buffer.from(await got.arrayBuffer())).toEqual(content.subarray(start, end + 1));
  });

  it.each(['bytes=0-1,5-6', 'bytes=9-3', 'bytes=-', 'lines=1-2', 'bytes=a-b', 'bytes=1e3-', 'nonsense'])(
    'overlooks what is no single range: %s',
    async (range) => {
      const got = await fetchFile(app, url, { headers: { range } });
      expect(got.status).toBe(200);
      expect(Buffer.from(await got.arrayBuffer())).toEqual(content);
    },
  );

  it.each(['bytes=1000-', 'bytes=5000-6000', 'bytes=-0'])('refuses a range that is not there: %s', async (range) => {
    const got = await fetchFile(app, url, { headers: { range } });
    expect(got.status).toBe(416);
    expect(got.headers.get('content-range')).toBe('bytes */1000');
    expect(await got.text()).toBe('');
  });

  it('answers 304 to whoever has it, and a range only of the same file', async () => {
    for (const known of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
      const got = await fetchFile(app, url, { headers: { 'if-none-match': known } });
      expect([got.status, await got.text(), got.headers.get('etag')]).toEqual([304, '', tag]);
    }
    expect((await fetchFile(app, url, { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
    const same = await fetchFile(app, url, { headers: { range: 'bytes=0-9', 'if-range': tag } });
    const other = await fetchFile(app, url, { headers: { range: 'bytes=0-9', 'if-range': '"x"' } });
    expect([same.status, other.status]).toEqual([206, 200]);
  });

  it('answers HEAD with the same headers and nothing else', async () => {
    const got = await fetchFile(app, url, { method: 'HEAD' });
    expect(got.status).toBe(200);
    expect(got.headers.get('content-length')).toBe('1000');
    expect(got.headers.get('content-disposition')).toContain('attachment');
    expect(await got.text()).toBe('');
  });

  it('names an id that is missing', async () => {
    const id = newId();
    const got = await fetchFile(app, `/attachments/${id}`);
    expect(got.status).toBe(404);
    expect(await got.json()).toMatchObject({ error: { data: { reason: 'NOT_FOUND', details: { attachmentId: id } } } });
    const failure = await failureOf((await app.http('ada')).attachments.get.query({ attachmentId: id }));
    expect(failure).toMatchObject({ reason: 'NOT_FOUND', details: { attachmentId: id } });
    expect((await fetchFile(app, '/attachments/nonsense')).status).toBe(404);
  });
});

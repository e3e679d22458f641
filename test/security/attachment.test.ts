import { readdir, readlink, rm, writeFile as writeToDisk } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { announceFile, insertAttachment } from '@parley/db/repository/attachment';
import { cleanFilename } from '@parley/server/files/filename';
import { attach, writeFile } from '@parley/server/files/keep';
import { isKey, newKey } from '@parley/server/files/key';
import { localStore } from '@parley/server/files/local';
import { FileSweep } from '@parley/server/files/sweep';
import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type FileApp, fetchFile, png, post, posted, startFileApp } from '../support/attachment.ts';
import { reasonOf } from '../support/stock.ts';

let app: FileApp;
beforeAll(async () => {
  app = await startFileApp();
});
afterAll(() => app.stop());

const bytes = (text: string) => new TextEncoder().encode(text);
const strays = () => app.database.db.selectFrom('stray_files').selectAll().execute();
const patience = { timeout: 15_000, interval: 20 };

describe('who may', () => {
  it('nobody without a credential, an approval and the scope', async () => {
    const { attachment } = await post(app, png);
    const bare = await fetch(`${app.url}/attachments`, { method: 'POST', body: new FormData() });
    expect(await posted(bare)).toMatchObject({ status: 401, reason: 'UNAUTHENTICATED' });
    const anonymous = await fetch(`${app.url}${attachment.url}`);
    expect(await posted(anonymous)).toMatchObject({ status: 401, reason: 'UNAUTHENTICATED' });
    const inUrl = await fetch(`${app.url}${attachment.url}?token=${await app.token('ada')}`);
    expect(inUrl.status).toBe(401);
    expect((await fetchFile(app, attachment.url, { lifetime: -1 })).status).toBe(401);
    const scope = ['chat', 'voice', 'memory'] as const;
    const missing = { status: 403, reason: 'SCOPE_MISSING', details: { scope: 'files' } };
    expect(await post(app, png, { scope })).toMatchObject(missing);
    expect(await posted(await fetchFile(app, attachment.url, { scope }))).toMatchObject(missing);
    await post(app, png, { user: 'waits' });
    const db = app.database.db;
    await db.updateTable('users').set({ approved: false }).where('id', '=', 'waits').execute();
    app.server.running.app.credentials.forget('acme', 'waits');
    expect(await post(app, png, { user: 'waits' })).toMatchObject({ status: 403, reason: 'NOT_APPROVED' });
  });

  it("another user's and another tenant's are absent, byte for byte", async () => {
    const { attachment } = await post(app, png);
    const answers = [
      await fetchFile(app, attachment.url, { user: 'eve' }),
      await fetchFile(app, attachment.url, { tenant: 'globex' }),
      await fetchFile(app, `/attachments/${newId()}`, { user: 'eve' }),
    ];
    const told = await Promise.all(
      answers.map(async (answer) => {
        const { id: _own, ...headers } = Object.fromEntries(answer.headers);
        const body = (await answer.text()).replace(/"traceId":"\w+"|[0-9a-f-]{36}/g, '…');
        const names = Object.keys(headers);
        return { status: answer.status, body, names };
      }),
    );
    expect(told[0]).toMatchObject({ status: 404, body: expect.stringContaining('NOT_FOUND') });
    expect(told[1]).toEqual(told[0]);
    expect(told[2]).toEqual(told[0]);
    for (const options of [{ user: 'eve' }, { tenant: 'globex' }]) {
      const client = await app.http(options.user ?? 'ada', options);
      expect(await reasonOf(client.attachments.get.query({ attachmentId: attachment.id }))).toBe('NOT_FOUND');
      const { id: conversationId } = await client.conversations.create.mutate({});
      const parts = [{ type: 'attachment' as const, attachmentId: attachment.id }];
      expect(await reasonOf(client.turns.send.mutate({ conversationId, parts }))).toBe('NOT_FOUND');
      expect(await post(app, png, { ...options, id: attachment.id })).toMatchObject({ status: 404 });
    }
  });

  it('a key in storage tells of nobody and leads nowhere else', async () => {
    const key = newKey({ tenant: '../../acme', userId: '/etc/passwd' });
    expect(isKey(key)).toBe(true);
    expect(key).toMatch(/^[0-9a-f]{32}\/[0-9a-f]{32}\/[0-9a-f-]{36}$/);
    expect(newKey({ tenant: 'a', userId: 'b' }).slice(0, 65)).not.toBe(
      newKey({ tenant: 'ab', userId: '' }).slice(0, 65),
    );
    const store = localStore(app.folder);
    for (const bad of ['../secret', '/etc/passwd', `${key}/../../x`, `${key}\0`, '', 'a/b/c', key.toUpperCase()]) {
      expect(isKey(bad)).toBe(false);
      await expect(store.read(bad)).rejects.toMatchObject({ reason: 'INTERNAL' });
      await expect(store.remove(bad)).rejects.toMatchObject({ reason: 'INTERNAL' });
      await expect(store.write(bad, (async function* () {})())).rejects.toMatchObject({ reason: 'INTERNAL' });
    }
    for (const path of app.stored()) expect(isKey(path)).toBe(true);
  });
});

describe('what it is', () => {
  const page = '<!doctype html><script>alert(1)</script>';
  it.each([
    ['a page', page],
    ['a page behind a mark and blanks', `\ufeff \n\t${page}`],
    ['a comment and a page', `<!-- x -->${page}`],
    ['a drawing', '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'],
    ['XML', '<?xml version="1.0"?><x/>'],
  ])('%s named .png is never shown', async (_what, content) => {
    const { attachment } = await post(app, new Blob([bytes(content)], { type: 'image/png' }), { filename: 'x.png' });
    expect(attachment).toMatchObject({ mediaType: 'application/octet-stream', kind: 'file', filename: 'x.png' });
    const { headers } = await fetchFile(app, attachment.url);
    expect(headers.get('content-type')).toBe('application/octet-stream');
    expect(headers.get('content-disposition')).toMatch(/^attachment;/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain('sandbox');
  });

  it('a picture named .html is a picture, and one that is a page too runs nothing', async () => {
    const both = Buffer.concat([Buffer.from('GIF89a/*'), Buffer.from(page)]);
    for (const [content, mediaType] of [
      [png, 'image/png'],
      [both, 'image/gif'],
    ] as const) {
      const { attachment } = await post(app, content, { filename: 'x.html' });
      expect(attachment.mediaType).toBe(mediaType);
      const { headers } = await fetchFile(app, attachment.url);
      expect(headers.get('content-type')).toBe(mediaType);
      expect(headers.get('content-security-policy')).toBe("sandbox; default-src 'none'");
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('text is text to its last byte', async () => {
    const type = async (content: Uint8Array) => (await post(app, content, { filename: 'x.txt' })).attachment.mediaType;
    expect(await type(bytes('你好，世界\r\n\tTab'))).toBe('text/plain');
    const long = 'é'.repeat(100_000);
    expect(await type(bytes(long))).toBe('text/plain');
    expect(await type(Buffer.concat([bytes(long), Buffer.from([0xc3])]))).toBe('application/octet-stream');
    expect(await type(Buffer.concat([bytes(long), Buffer.from([0])]))).toBe('application/octet-stream');
    expect(await type(Buffer.from([0xff, 0xfe, 0x41, 0x00]))).toBe('application/octet-stream');
  });
});

describe('what it is called', () => {
  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\ada\\photo.png', 'photo.png'],
    ['/', 'file'],
    ['..', 'file'],
    ['', 'file'],
    ['a\r\nset-cookie: x=y', 'aset-cookie: x=y'],
    ['a\0b.png', 'ab.png'],
    ['photo\u202egnp.exe', 'photognp.exe'],
    ['\u200b\u2066 \u2028', 'file'],
    ['相片 “一”.png', '相片 “一”.png'],
    ['e\u0301.txt', '\u00e9.txt'],
    ['\ud800x.txt', '\ufffdx.txt'],
    [`${'x'.repeat(5_000)}.jpeg`, `${'x'.repeat(195)}.jpeg`],
    [`${'x'.repeat(199)}😀`, 'x'.repeat(199)],
  ])('%j becomes %j', (given, name) => {
    expect(cleanFilename(given)).toBe(name);
    expect(cleanFilename(name)).toBe(name);
  });

  it('travels as RFC 6266 has it, whatever it is', async () => {
    const named = async (filename: string) => {
      const { attachment } = await post(app, bytes('text'), { filename });
      const header = (await fetchFile(app, attachment.url)).headers.get('content-disposition') ?? '';
      return [attachment.filename, header];
    };
    expect(await named('相片.txt')).toEqual([
      '相片.txt',
      `attachment; filename="__.txt"; filename*=UTF-8''%E7%9B%B8%E7%89%87.txt`,
    ]);
    expect(await named("it's (1)*;100%.txt")).toEqual([
      "it's (1)*;100%.txt",
      `attachment; filename="it's (1)*;100_.txt"; filename*=UTF-8''it%27s%20%281%29%2A%3B100%25.txt`,
    ]);
  });

  it('cannot break out of the form or the header', async () => {
    const boundary = 'xyz';
    const name = 'a\\".txt\\\\"; filename*=UTF-8\'\'..%2f..%2fetc%2fpasswd';
    const body = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${name}\r\n\r\nhello\r\n--${boundary}--\r\n`;
    const response = await fetch(`${app.url}/attachments`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await app.token('ada')}`,
        'content-type': `multipart/form-data; boundary=${boundary}`,
      },
      body,
    });
    const { attachment } = await posted(response);
    expect(attachment.filename).not.toMatch(/[/\\]/);
    const header = (await fetchFile(app, attachment.url)).headers.get('content-disposition') ?? '';
    expect(header).toMatch(/^attachment; filename="[^"]*"; filename\*=UTF-8''[\w.%~!$&+^`|{}-]+$/);
  });
});

describe('how much it takes', () => {
  /** A request whose body goes on for as long as the server reads it. Resolves with the answer and the bytes that were sent. */
  async function endless(): Promise<{ status: number; sent: number; closed: Promise<void> }> {
    // One that would go on using the connection: only the server can end this.
    const agent = new Agent({ keepAlive: true });
    const headers = {
      authorization: `Bearer ${await app.token('ada')}`,
      'content-type': 'multipart/form-data; boundary=xyz',
    };
    const outgoing = request(`${app.url}/attachments`, { method: 'POST', headers, agent });
    const closed = new Promise<void>((resolve) => outgoing.once('close', () => resolve()));
    outgoing.on('error', () => {});
    let sent = 0;
    const block = Buffer.alloc(256 * 1024, 1);
    outgoing.write('--xyz\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n');
    const pump = (): void => {
      while (!outgoing.destroyed) {
        sent += block.length;
        if (!outgoing.write(block)) break;
      }
    };
    outgoing.on('drain', pump);
    pump();
    const status = await new Promise<number>((resolve, reject) => {
      outgoing.once('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      outgoing.once('close', () => reject(new Error('closed without an answer')));
    });
    return { status, sent, closed };
  }

  it('an endless body is refused at 25 MB, kept nowhere, and its connection closed', async () => {
    const before = app.stored().length;
    const { status, sent, closed } = await endless();
    expect(status).toBe(413);
    expect(sent).toBeGreaterThan(limits.uploadBytes);
    expect(sent).toBeLessThan(limits.uploadBytes + 16 * 1024 * 1024);
    await closed;
    expect(app.stored()).toHaveLength(before);
    expect(await strays()).toEqual([]);
  });

  it('one that says that it is larger is refused before it is read', async () => {
    const socket = createConnection(Number(new URL(app.url).port), '127.0.0.1');
    const authorization = `Bearer ${await app.token('ada')}`;
    socket.write(
      `POST /attachments HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: multipart/form-data; boundary=xyz\r\ncontent-length: 99999999\r\n\r\n`,
    );
    expect(await firstLine(socket)).toBe('HTTP/1.1 413 Payload Too Large');
    socket.destroy();
  });

  it('one that nobody may send is refused before it is read', async () => {
    const socket = createConnection(Number(new URL(app.url).port), '127.0.0.1');
    socket.write(
      'POST /attachments HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=xyz\r\ncontent-length: 999\r\n\r\n',
    );
    expect(await firstLine(socket)).toBe('HTTP/1.1 401 Unauthorized');
    socket.destroy();
  });
});

function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.includes('\r\n')) resolve(text.slice(0, text.indexOf('\r\n')));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
  });
}

describe('what breaks off', () => {
  it('an upload whose client goes leaves nothing', async () => {
    const before = app.stored().length;
    const socket = createConnection(Number(new URL(app.url).port), '127.0.0.1');
    const authorization = `Bearer ${await app.token('ada')}`;
    const head = '--xyz\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n';
    socket.write(
      `POST /attachments HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: multipart/form-data; boundary=xyz\r\ncontent-length: 999999\r\n\r\n${head}`,
    );
    socket.write(Buffer.alloc(200_000, 1));
    await vi.waitFor(() => expect(app.stored()).toHaveLength(before + 1), patience);
    expect(await strays()).toHaveLength(1);
    socket.destroy();
    await vi.waitFor(() => expect(app.stored()).toHaveLength(before), patience);
    await vi.waitFor(async () => expect(await strays()).toEqual([]), patience);
  });

  it('a download whose client goes leaves no file open', async () => {
    const { attachment } = await post(app, Buffer.alloc(20 * 1024 * 1024));
    const open = async () => {
      const paths = await Promise.all(
        (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
      );
      return paths.filter((path) => path.startsWith(app.folder));
    };
    const gone = new AbortController();
    const token = await app.token('ada');
    const response = await fetch(new URL(attachment.url, app.url), {
      headers: { authorization: `Bearer ${token}` },
      signal: gone.signal,
    });
    expect(response.status).toBe(200);
    expect(await open()).toHaveLength(1);
    gone.abort();
    await vi.waitFor(async () => expect(await open()).toEqual([]), patience);
  });

  it('what a killed server was writing is swept, and not before its time', async () => {
    const { turns } = app.server.running.app;
    const before = app.stored().length;
    const key = newKey({ tenant: 'acme', userId: 'ada' });
    await announceFile(turns.db, key);
    await turns.files.write(key, pieces(png));
    const sweep = new FileSweep(turns);
    await sweep.sweep();
    expect(app.stored()).toHaveLength(before + 1);
    await expire(key);
    await sweep.sweep();
    expect(app.stored()).toHaveLength(before);
    expect(await strays()).toEqual([]);
  });

  it('a writer that comes back after its time makes no attachment without a file', async () => {
    const { turns } = app.server.running.app;
    const owner = { tenant: 'acme', userId: 'ada' };
    const written = await writeFile(turns, owner, pieces(png), 1_000);
    await expire(written.key);
    await expect(attach(turns, written, { filename: 'late.png' })).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    await new FileSweep(turns).sweep();
    const again = insertAttachment(turns.db, {
      ...written,
      id: newId(),
      conversationId: null,
      filename: 'x',
      kind: 'image',
    });
    await expect(again).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    const rows = turns.db.selectFrom('attachments').select('id').where('storage_key', '=', written.key);
    expect(await rows.execute()).toEqual([]);
  });

  it('storage that cannot be written is answered as one to try again, and leaves no row', async () => {
    const place = join(app.folder, 'taken');
    await writeToDisk(place, '');
    const broken = await startFileApp({ beside: app, env: { STORAGE_URL: `file://${place}` } });
    try {
      const refused = await post(broken, png);
      expect(refused).toMatchObject({ status: 503, reason: 'UNAVAILABLE' });
      expect(JSON.stringify(refused)).not.toContain('taken');
      await rm(place);
      expect(await post(broken, png)).toMatchObject({ status: 200 });
    } finally {
      await rm(place, { recursive: true, force: true });
      await broken.stop();
    }
  });
});

async function* pieces(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function expire(key: string): Promise<void> {
  await app.database.db
    .updateTable('stray_files')
    .set({ due_at: sql<Date>`clock_timestamp() - interval '1 second'` })
    .where('storage_key', '=', key)
    .execute();
}

import { readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type App, type AppOptions, startApp, type TokenOptions } from './app.ts';

export interface FileApp extends App {
  /** The folder of its files. */
  folder: string;
  /** Paths of the files in storage, from `folder` on. */
  stored(): string[];
}

/** A test server with a folder of its own for files. */
export async function startFileApp(options: AppOptions = {}): Promise<FileApp> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-test-files-'));
  const app = await startApp({ ...options, env: { STORAGE_URL: `file://${folder}`, ...options.env } });
  return {
    ...app,
    folder,
    stored: () =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
        statSync(join(folder, path)).isFile(),
      ),
    async stop() {
      await app.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const attachment = z.object({
  id: z.guid(),
  filename: z.string(),
  mediaType: z.string(),
  size: z.number(),
  sha256: z.string(),
  url: z.string(),
  kind: z.string(),
});

export interface Posted {
  status: number;
  /** Of a success. */
  attachment: z.infer<typeof attachment>;
  reason: unknown;
  details: unknown;
}

export interface PostOptions extends TokenOptions {
  user?: string;
  id?: string;
  filename?: string;
  headers?: Record<string, string>;
}

/** `POST /attachments` as a browser does it. */
export async function post(app: App, content: Uint8Array | Blob, options: PostOptions = {}): Promise<Posted> {
  const { id, filename = 'file.bin' } = options;
  const form = new FormData();
  if (id !== undefined) form.append('id', id);
  form.append('file', content instanceof Blob ? content : new Blob([new Uint8Array(content)]), filename);
  return await postBody(app, form, options);
}

/** `POST /attachments` with any body. */
export async function postBody(app: App, body: BodyInit | null, options: PostOptions = {}): Promise<Posted> {
  const { user = 'ada', headers, ...rest } = options;
  const response = await fetch(`${app.url}/attachments`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await app.token(user, rest)}`, ...headers },
    body,
  });
  return await posted(response);
}

const failure = z.object({
  error: z.object({
    message: z.string(),
    code: z.number(),
    data: z.object({
      reason: z.string(),
      retryable: z.boolean(),
      traceId: z.string(),
      details: z.unknown().optional(),
    }),
  }),
});

/** What an answer of the attachment routes says. */
export async function posted(response: Response): Promise<Posted> {
  const body: unknown = await response.json();
  if (response.ok)
    return { status: response.status, attachment: attachment.parse(body), reason: undefined, details: undefined };
  const { reason, details } = failure.parse(body).error.data;
  const nothing = { id: '', filename: '', mediaType: '', size: 0, sha256: '', url: '', kind: '' };
  return { status: response.status, attachment: nothing, reason, details };
}

/** `GET` of an attachment's url. */
export async function fetchFile(
  app: App,
  url: string,
  options: TokenOptions & { user?: string; headers?: Record<string, string>; method?: string } = {},
): Promise<Response> {
  const { user = 'ada', headers, method = 'GET', ...rest } = options;
  return await fetch(new URL(url, app.url), {
    method,
    headers: { authorization: `Bearer ${await app.token(user, rest)}`, ...headers },
  });
}

/** The smallest PNG with one pixel. */
export const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

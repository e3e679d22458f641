import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { playgroundPage } from '../rpc/playground.ts';
import { welcome } from './welcome.ts';

/** Names of files under this path hold a hash of their content. */
const hashed = '/assets/';

/**
 * Serves the console: its page at `/` and at `/c/<conversation>`, and the files that the page asks for.
 * `folder` holds builds by name, and in `current` the name of the one to serve. Without one, `/` says how to get it.
 */
export async function registerConsole(server: FastifyInstance, folder: string): Promise<void> {
  const build = await currentBuild(folder);
  if (build === undefined) {
    server.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(welcome));
    return;
  }
  await server.register(fastifyStatic, {
    root: build,
    // A route for each file there is, so that a path which leads elsewhere leads nowhere.
    wildcard: false,
    globIgnore: ['**/*.br', '**/*.gz', playgroundPage],
    preCompressed: true,
    cacheControl: false,
    setHeaders: (reply, path) => {
      const isHashed = path.slice(build.length).startsWith(hashed);
      reply.header('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache');
      reply.header('vary', 'accept-encoding');
    },
  });
  // Which conversation it is, the page reads from its own address.
  server.get('/c/:conversationId', (_request, reply) => reply.sendFile('index.html'));
}

async function currentBuild(folder: string): Promise<string | undefined> {
  try {
    const build = join(folder, (await readFile(join(folder, 'current'), 'utf8')).trim());
    await readFile(join(build, 'index.html'));
    return build;
  } catch {
    return undefined;
  }
}

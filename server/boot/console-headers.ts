import type { IncomingMessage } from 'node:http';
import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

const none = ["'none'"];
const self = ["'self'"];

/**
 * What a browser may do with an answer. A page of this server runs its own files only, whatever a message, a title or a
 * model puts into it, and talks to this server only.
 */
export async function registerHeaders(server: FastifyInstance): Promise<void> {
  await server.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': self,
        'script-src': self,
        'script-src-attr': none,
        'style-src': self,
        'worker-src': self,
        'font-src': self,
        // Not every browser counts a WebSocket to the page's own host as 'self'.
        'connect-src': ["'self'", (request) => ownSockets(request)],
        // Attachments and recordings, which need a credential: the page loads them itself.
        'img-src': ["'self'", 'blob:', 'data:'],
        'media-src': ["'self'", 'blob:'],
        'object-src': none,
        'base-uri': none,
        'form-action': self,
        'frame-ancestors': none,
      },
    },
  });
  server.addHook('onRequest', async (_request, reply) => {
    reply.header('permissions-policy', 'microphone=(self), camera=(), geolocation=(), payment=(), usb=()');
  });
}

function ownSockets({ headers: { host = '' } }: IncomingMessage): string {
  return /^(\[[\da-f:]+\]|[\w.-]+)(:\d{1,5})?$/i.test(host) ? `ws://${host} wss://${host}` : "'self'";
}

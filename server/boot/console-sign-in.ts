import type { IncomingHttpHeaders } from 'node:http';
import { userInfo } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { embeddedSecret } from '../account/secret.ts';
import { signToken } from '../account/token.ts';
import type { Config } from './config.ts';

/** Seconds that a token of the console lasts; the page then asks for another one. */
const lifetime = 3600;

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;

/** What `GET /console/sign-in` says: whether this server lets whoever sits before it in with one click. */
export interface SignInOffer {
  local: boolean;
}

/** What `POST /console/sign-in` answers with. */
export interface LocalSignIn {
  token: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  user: string;
}

/**
 * Serves `/console/sign-in`. In the embedded mode, on a loopback address, with the secret that only it knows, `POST` gives
 * whoever has the page open on this machine a token of the user that the command line is too. Elsewhere there is no such
 * route: people bring a token.
 */
export function registerSignIn(server: FastifyInstance, config: Config): void {
  const trust = localTrust(config);
  const offer: SignInOffer = { local: trust !== undefined };
  server.get('/console/sign-in', (_request, reply) => reply.header('cache-control', 'no-store').send(offer));
  if (!trust) return;
  server.post('/console/sign-in', async (request, reply): Promise<LocalSignIn | { error: string }> => {
    reply.header('cache-control', 'no-store');
    if (!isOwnPage(request.headers)) {
      reply.code(403);
      return { error: 'forbidden' };
    }
    const user = localUser();
    const { issuer, audience, dataDir } = trust;
    const secret = await embeddedSecret(dataDir);
    const token = await signToken({ secret, user, tenant: 'default', lifetime, issuer, audience });
    return { token, expiresAt: Date.now() + lifetime * 1000, user };
  });
}

/** The secret that the embedded mode keeps; there is none where tokens come from elsewhere. */
function localTrust({ auth, listen }: Config) {
  if (auth.provision !== 'auto' || !loopback.test(listen.host)) return undefined;
  return auth.trust.find((trust) => trust.type === 'kept');
}

/**
 * Whether a request comes from a page of this server, opened under a name of this machine. Another site's page has another
 * Origin; one whose name was made to lead here (DNS rebinding) has that name as Host; what a proxy lets in from outside
 * carries the proxy's mark.
 */
function isOwnPage(headers: IncomingHttpHeaders): boolean {
  const { host = '', origin } = headers;
  const isForwarded = Object.keys(headers).some((name) => /^(via|forwarded|x-forwarded-.*|x-real-ip)$/.test(name));
  const site = headers['sec-fetch-site'];
  return (
    !isForwarded &&
    loopback.test(host.replace(/:\d{1,5}$/, '')) &&
    origin === `http://${host}` &&
    (site === undefined || site === 'same-origin')
  );
}

function localUser(): string {
  try {
    return userInfo().username;
  } catch {
    return 'me';
  }
}

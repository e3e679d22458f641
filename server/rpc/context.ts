import type { IncomingMessage } from 'node:http';
import type { Db } from '@parley/db/connect';
import { type Locale, localeOf } from '@parley/shared/explain';
import { protocolVersions } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import type { Capabilities } from '@parley/shared/system';
import type { Credentials } from '../account/principal.ts';
import type { Rates } from '../account/rate.ts';
import type { Feed } from '../live/feed.ts';
import type { TurnPorts } from '../turn/ports.ts';
import type { TurnRunner } from '../turn/runner.ts';
import type { Listening } from '../voice/listening.ts';
import type { VoicePorts } from '../voice/ports.ts';
import type { TranscriptionQueue } from '../voice/queue.ts';
import { Session } from './session.ts';
import type { CallContext, ContextRequest, CredentialListener } from './transport.ts';

/** What procedures work with. */
export interface App {
  db: Db;
  turns: TurnPorts;
  runner: TurnRunner;
  voice: { ports: VoicePorts; queue: TranscriptionQueue; listening: Listening };
  feed: Feed;
  credentials: Credentials;
  rates: Rates;
  capabilities: Capabilities;
  version: string;
  /** True from SIGTERM on: no new turns. */
  draining(): boolean;
}

export interface Context {
  app: App;
  session: Session;
}

/** What a transport holds for each of its connections: small, since most of them are idle. */
class ConnectionContext implements Context, CallContext {
  readonly app: App;
  readonly session: Session;

  constructor(app: App, session: Session) {
    this.app = app;
    this.session = session;
  }

  get locale(): Locale {
    return this.session.locale;
  }

  get traceId(): string {
    return this.session.traceId;
  }

  valid(): ParleyError | undefined {
    return this.session.valid();
  }

  listen(listener: CredentialListener | undefined): void {
    this.session.listen(listener);
  }
}

/**
 * Makes the context of a request or a connection. A missing or bad credential is not an error here: some procedures need none,
 * and each of the others says so for itself.
 * @throws ParleyError VERSION_UNSUPPORTED
 */
export function contextMaker(
  app: App,
  addressOf: (req: IncomingMessage) => string,
): (request: ContextRequest) => Promise<Context & CallContext> {
  return async ({ req, connectionParams }) => {
    const version = connectionParams?.protocolVersion ?? header(req, 'x-parley-protocol-version');
    if (version !== undefined && !protocolVersions.some((supported) => supported === version))
      throw new ParleyError('VERSION_UNSUPPORTED', { details: { supported: [...protocolVersions] } });
    const session = new Session(app.credentials, {
      presented: {
        authorization: req.headers.authorization,
        token: connectionParams?.token,
        actingUser: connectionParams?.user ?? header(req, 'x-parley-user'),
      },
      accepted: localeOf(connectionParams?.locale ?? req.headers['accept-language']),
      traceId: traceOf(req),
      address: addressOf(req),
    });
    return new ConnectionContext(app, session);
  };
}

function header(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  // Node reads headers as Latin-1; an id is the same text on every transport.
  return typeof value === 'string' ? Buffer.from(value, 'latin1').toString('utf8') : undefined;
}

/** The caller's trace (W3C Trace Context) where it sends one, so that its error and our log can be laid side by side. */
function traceOf(req: IncomingMessage): string | undefined {
  return /^00-([0-9a-f]{32})-/.exec(header(req, 'traceparent') ?? '')?.[1];
}

import { createParley } from '@parley/client';
import type { AppRouter } from '@parley/server/rpc/router';
import { getUntypedClient, type TRPCUntypedClient } from '@trpc/client';
import type { ConnectionState, Transport } from '../../connection/link.ts';
import { currentToken } from '../../console/src/session/session.ts';

/** A client that calls procedures by their path: what they are is only known when the page runs. */
export interface Client {
  readonly transport: Transport;
  readonly calls: TRPCUntypedClient<AppRouter>;
  close(): void;
}

/** @param user For whom an API key acts; `''` is nobody else. */
export function openClient(transport: Transport, user: string, onState: (state: ConnectionState) => void): Client {
  const parley = createParley({
    url: location.origin,
    token: currentToken,
    transport,
    onState,
    ...(user !== '' && { user }),
  });
  return { transport, calls: getUntypedClient(parley.trpc), close: () => void parley.close() };
}

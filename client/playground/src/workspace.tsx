import type { PlaygroundProcedures } from '@parley/server/rpc/playground';
import { useEffect, useState, useSyncExternalStore } from 'react';
import type { ConnectionState, Transport } from '../../connection/link.ts';
import { openClient } from './client.ts';
import { formOf } from './draft.ts';
import { ProcedureList } from './procedure-list.tsx';
import { ProcedurePanel } from './procedure-panel.tsx';
import { useCalls } from './use-calls.ts';
import { WatchedView } from './watched-view.tsx';

const transports: readonly (readonly [Transport, string])[] = [
  ['binary', 'WebSocket, binary'],
  ['websocket', 'WebSocket, JSON'],
  ['http', 'HTTP and SSE'],
];

function onHash(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}
/** The procedure that the address names; `''` is the list alone. */
const currentHash = (): string => location.hash.replace(/^#(all$)?/, '');

/** The list, the procedure that the address names, and the subscriptions that are watched. */
export function Workspace({
  api,
  user,
  onSignOut,
}: {
  api: PlaygroundProcedures;
  user: string;
  onSignOut: () => void;
}) {
  const [connection, setConnection] = useState<ConnectionState>({ state: 'idle' });
  const [client, setClient] = useState(() => openClient('binary', user, setConnection));
  useEffect(() => () => client.close(), [client]);
  const calls = useCalls(client);
  const path = useSyncExternalStore(onHash, currentHash);
  const procedure = api.procedures.find((each) => each.path === path);
  const form = procedure && formOf(procedure);
  return (
    <div className="playground" data-view={procedure ? 'procedure' : 'list'}>
      <header className="top">
        <h1>
          Parley <span>playground</span>
        </h1>
        <span className="note connection" role="status">
          {connection.error ? connection.error.message : wordsOf(connection)}
        </span>
        <label htmlFor="transport" className="sr-only">
          Transport
        </label>
        <select
          id="transport"
          className="field"
          value={client.transport}
          onChange={({ target }) => {
            const chosen = transports.find(([name]) => name === target.value)?.[0];
            if (!chosen) return;
            calls.stopAll();
            setClient(openClient(chosen, user, setConnection));
          }}
        >
          {transports.map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
        <button
          type="button"
          className="button small"
          onClick={() => {
            calls.stopAll();
            onSignOut();
          }}
        >
          Sign out
        </button>
      </header>
      <ProcedureList procedures={api.procedures} current={path} />
      <main className="stage">
        {form ? (
          <ProcedurePanel
            key={path}
            form={form}
            panel={calls.panelOf(form)}
            known={calls.known}
            onDraft={(draft, isTyped) => calls.write(form, draft, isTyped)}
            onReset={() => calls.reset(form)}
            onCall={() => calls.call(form)}
          />
        ) : (
          <p className="note empty">
            {path !== '' && `There is no procedure ${path}. `}
            Choose one of the {api.procedures.length} procedures of this server (version {api.version}).
          </p>
        )}
      </main>
      {calls.watched.length > 0 && (
        <aside className="dock" aria-labelledby="dock-title">
          <h2 id="dock-title">Subscriptions</h2>
          {calls.watched.map(({ key, watched }) => (
            <WatchedView key={key} watched={watched} onRemove={() => calls.unwatch(key)} />
          ))}
        </aside>
      )}
    </div>
  );
}

function wordsOf({ state }: ConnectionState): string {
  switch (state) {
    case 'idle':
      return 'Not connected yet';
    case 'connecting':
      return 'Connecting …';
    case 'open':
      return 'Connected';
  }
}

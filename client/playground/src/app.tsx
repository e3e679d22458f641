import type { PlaygroundProcedures } from '@parley/server/rpc/playground';
import { useEffect, useState } from 'react';
import { forget, isKept } from '../../console/src/session/session.ts';
import { isRecord } from '../../failure.ts';
import { problemText } from './draft.ts';
import { SignIn } from './sign-in.tsx';
import { Workspace } from './workspace.tsx';

type Loaded = { is: 'loading' } | { is: 'failed'; why: string } | { is: 'there'; api: PlaygroundProcedures };

/** Whom an API key acts for; kept beside the console's session, for as long. */
const userKey = 'parley.playground.user';

export function App() {
  const [user, setUser] = useState(() => (isKept() ? keptUser() : undefined));
  const [loaded, setLoaded] = useState<Loaded>({ is: 'loading' });
  useEffect(() => {
    load().then(
      (api) => setLoaded({ is: 'there', api }),
      (error: unknown) => setLoaded({ is: 'failed', why: problemText(error) }),
    );
  }, []);
  if (user === undefined)
    return (
      <SignIn
        onSignedIn={(name) => {
          keepUser(name);
          setUser(name);
        }}
      />
    );
  if (loaded.is !== 'there')
    return (
      <main className="sign-in-page">
        <h1>Parley playground</h1>
        <p role="status">{loaded.is === 'loading' ? 'Loading …' : `The procedures could not be read: ${loaded.why}`}</p>
      </main>
    );
  return (
    <Workspace
      api={loaded.api}
      user={user}
      onSignOut={() => {
        forget();
        keepUser('');
        setUser(undefined);
      }}
    />
  );
}

function keptUser(): string {
  try {
    return sessionStorage.getItem(userKey) ?? '';
  } catch {
    return '';
  }
}

function keepUser(name: string): void {
  try {
    sessionStorage.setItem(userKey, name);
  } catch {
    // Not kept over a reload.
  }
}

async function load(): Promise<PlaygroundProcedures> {
  const response = await fetch('/playground/procedures');
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const api: unknown = await response.json();
  if (!isApi(api)) throw new Error('the server answered with something else');
  return api;
}

function isApi(value: unknown): value is PlaygroundProcedures {
  return (
    isRecord(value) &&
    typeof value.version === 'string' &&
    Array.isArray(value.procedures) &&
    value.procedures.every((each) => isRecord(each) && typeof each.path === 'string')
  );
}

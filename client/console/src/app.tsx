import { createParley, type Parley } from '@parley/client';
import { failureOf } from '@parley/client/failure';
import { ParleyProvider } from '@parley/client/react';
import { browserStore } from '@parley/client/recorder/store-browser';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useCallback, useEffect, useState } from 'react';
import { currentToken, forget, isKept, keepToken, sessionName, signInHere } from './session/session.ts';
import { SignIn, type SignInFailure } from './session/sign-in.tsx';
import { useWake } from './session/wake.ts';
import { Workspace } from './workspace.tsx';

/** How long it may take to learn whether a credential is good, in milliseconds. */
const patienceMs = 20_000;

type State =
  | { state: 'out'; failure?: SignInFailure }
  | { state: 'checking' }
  | { state: 'in'; parley: Parley; queryClient: QueryClient };

function entered(): State {
  // Recordings that are not sent outlive the page.
  const segments = browserStore({ name: `parley.segments.${sessionName()}` });
  return {
    state: 'in',
    parley: createParley({ url: location.origin, token: currentToken, segments }),
    // The client itself tries again, and knows when there is a network.
    queryClient: new QueryClient({ defaultOptions: { queries: { refetchOnWindowFocus: true, staleTime: 5_000 } } }),
  };
}

async function enter(prepare: () => Promise<void> | void): Promise<State> {
  let next: State | undefined;
  try {
    await prepare();
    next = entered();
    if (next.state === 'in')
      await next.parley.trpc.account.me.query(undefined, { signal: AbortSignal.timeout(patienceMs) });
    return next;
  } catch (cause) {
    if (next?.state === 'in') void next.parley.close();
    forget();
    return { state: 'out', failure: failureOf(cause).reason === 'UNAVAILABLE' ? 'unreachable' : 'refused' };
  }
}

export function App() {
  const [state, setState] = useState<State>(() => (isKept() ? entered() : { state: 'out' }));
  const begin = (prepare: () => Promise<void> | void): void => {
    setState({ state: 'checking' });
    void enter(prepare).then(setState);
  };
  const parley = state.state === 'in' ? state.parley : undefined;
  useWake(parley);
  const leave = useCallback(
    (failure?: SignInFailure) => {
      forget();
      void parley?.close();
      setState({ state: 'out', ...(failure && { failure }) });
    },
    [parley],
  );
  useEffect(() => {
    document.title = 'Parley';
  }, []);
  if (state.state === 'in')
    return (
      <QueryClientProvider client={state.queryClient}>
        <ParleyProvider parley={state.parley} queryClient={state.queryClient}>
          <Workspace onLeave={leave} />
        </ParleyProvider>
      </QueryClientProvider>
    );
  return (
    <SignIn
      failure={state.state === 'out' ? state.failure : undefined}
      isChecking={state.state === 'checking'}
      onLocal={() => begin(signInHere)}
      onToken={(token) => begin(() => keepToken(token))}
    />
  );
}

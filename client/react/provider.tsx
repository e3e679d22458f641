import { onlineManager, QueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, use, useEffect, useMemo, useState } from 'react';
import type { Parley } from '../connect.ts';
import { type Views, viewsOf } from '../conversation/views.ts';

interface ParleyContext {
  readonly parley: Parley;
  readonly views: Views;
  readonly queryClient: QueryClient;
}

const Context = createContext<ParleyContext | null>(null);

/** Changes of conversations within this many milliseconds refresh lists once. */
const refreshMs = 300;

export interface ParleyProviderProps {
  parley: Parley;
  /** The application's own, to share its cache; one is made when it is not given. */
  queryClient?: QueryClient;
  children?: ReactNode;
}

/** Gives the hooks their client, and takes up recordings that were not sent when the page was closed. The client stays the application's to close. */
export function ParleyProvider({ parley, queryClient: given, children }: ParleyProviderProps): ReactNode {
  const [own] = useState(() => given ?? new QueryClient());
  const queryClient = given ?? own;
  const views = viewsOf(parley);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const leave = views.onChange(() => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void queryClient.invalidateQueries({ queryKey: listKey(views) });
      }, refreshMs);
    });
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [views, queryClient]);
  useEffect(() => {
    // What a page that was closed had not sent.
    parley.segments.resume().catch(() => {});
    return onlineManager.subscribe((isOnline) => {
      if (isOnline) parley.wake();
    });
  }, [parley]);
  const value = useMemo(() => ({ parley, views, queryClient }), [parley, views, queryClient]);
  return <Context value={value}>{children}</Context>;
}

/** The client. @throws TypeError outside of a ParleyProvider */
export function useParley(): Parley {
  return useParleyContext().parley;
}

export function useParleyContext(): ParleyContext {
  const context = use(Context);
  if (!context) throw new TypeError('This hook needs a ParleyProvider above it.');
  return context;
}

/** Where lists of conversations are cached: each client's by themselves, since each is another user. */
export function listKey({ id }: Views): readonly string[] {
  return ['parley', id, 'conversations'];
}

import { useSyncExternalStore } from 'react';

/** Where the page is: its address has the conversation, so that it stays over a reload and can be kept as a bookmark. */
export type Route = { readonly page: 'home' } | { readonly page: 'conversation'; readonly id: string };

const home: Route = { page: 'home' };
let current = read();
const listeners = new Set<() => void>();

function read(): Route {
  const id = /^\/c\/([\w-]{1,64})$/.exec(location.pathname)?.[1];
  return id === undefined ? home : { page: 'conversation', id };
}

function changed(): void {
  current = read();
  for (const listener of listeners) listener();
}

window.addEventListener('popstate', changed);

export function pathOf(route: Route): string {
  return route.page === 'home' ? '/' : `/c/${route.id}`;
}

export function go(route: Route, { replace = false }: { replace?: boolean } = {}): void {
  if (pathOf(route) === location.pathname) return;
  if (replace) history.replaceState(null, '', pathOf(route));
  else history.pushState(null, '', pathOf(route));
  changed();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useRoute(): Route {
  return useSyncExternalStore(subscribe, () => current);
}

import { useEffect, useRef, useState } from 'react';
import { measure } from './call.ts';
import type { Client } from './client.ts';
import { type Draft, type Form, inputOf, newDraft, problemText } from './draft.ts';
import type { Panel } from './procedure-panel.tsx';
import { idsIn, type Known, remember } from './recall.ts';
import { Watched } from './watched.ts';

/** Subscriptions that are watched at once. */
const mostWatched = 6;

interface Kept {
  key: number;
  watched: Watched;
}

/** What is written, called and watched, each procedure's for itself: looking at another one loses nothing. */
export function useCalls(client: Client) {
  const current = useRef(client);
  useEffect(() => {
    current.current = client;
  }, [client]);
  const [panels, setPanels] = useState<Readonly<Record<string, Panel>>>({});
  const [known, setKnown] = useState<Known>({});
  const [watched, setWatched] = useState<readonly Kept[]>([]);
  const next = useRef(0);

  const newPanel = (form: Form): Panel => ({
    draft: newDraft(form, (name) => known[name]?.[0]),
    version: 0,
    outcome: undefined,
    running: undefined,
  });
  const panelOf = (form: Form): Panel => panels[form.procedure.path] ?? newPanel(form);
  const change = (form: Form, part: Partial<Panel>): void =>
    setPanels((all) => {
      const { path } = form.procedure;
      return { ...all, [path]: { ...(all[path] ?? newPanel(form)), ...part } };
    });
  const see = (path: string, ...values: unknown[]): void =>
    setKnown((before) => values.reduce<Known>((all, value) => remember(all, idsIn(path, value)), before));

  const write = (form: Form, draft: Draft, isTyped: boolean): void =>
    change(form, { draft, version: panelOf(form).version + (isTyped ? 0 : 1) });

  const watch = (form: Form, input: unknown): void => {
    const { path } = form.procedure;
    change(form, { draft: panelOf(form).draft, outcome: { is: 'subscribed' } });
    const kept = { key: next.current++, watched: new Watched(() => current.current.calls, path, input) };
    const all = [kept, ...watched];
    for (const old of all.slice(mostWatched)) old.watched.stop();
    setWatched(all.slice(0, mostWatched));
  };

  const call = async (form: Form): Promise<void> => {
    const { path, type } = form.procedure;
    const { draft } = panelOf(form);
    let input: unknown;
    try {
      input = inputOf(draft);
    } catch (error) {
      if (draft.mode === 'text') change(form, { draft: { ...draft, problem: problemText(error) } });
      return;
    }
    see(path, input);
    if (type === 'subscription') return watch(form, input);
    const running = new AbortController();
    change(form, { draft, running, outcome: undefined });
    const { calls } = client;
    const run = type === 'query' ? calls.query.bind(calls) : calls.mutation.bind(calls);
    const outcome = await measure((signal) => run(path, input, { signal }), running.signal);
    change(form, { running: undefined, outcome });
    if (outcome.is === 'answered') see(path, outcome.value);
  };

  return {
    known,
    watched,
    panelOf,
    write,
    call: (form: Form): void => void call(form),
    reset: (form: Form): void =>
      change(form, { ...newPanel(form), version: panelOf(form).version + 1, running: panelOf(form).running }),
    unwatch(key: number): void {
      for (const kept of watched) if (kept.key === key) kept.watched.stop();
      setWatched((all) => all.filter((kept) => kept.key !== key));
    },
    /** Subscriptions stay to be resumed, over whatever connection is there then. */
    stopAll(): void {
      for (const kept of watched) kept.watched.stop();
      for (const panel of Object.values(panels)) panel.running?.abort();
    },
  };
}

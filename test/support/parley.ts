import { createParley, type Parley, type ParleyOptions } from '@parley/client/connect';
import type { Event, EventType } from '@parley/shared/event';
import { afterEach } from 'vitest';
import type { App, TokenOptions } from './app.ts';

const opened = new Set<Parley>();
afterEach(async () => {
  await Promise.all([...opened].map((parley) => parley.close()));
  opened.clear();
});

/** Parley's own client as this user, closed after the test. `url` leads through a proxy. */
export async function parleyOf(
  app: App,
  user: string,
  { lifetime, ...options }: Partial<ParleyOptions> & TokenOptions = {},
): Promise<Parley> {
  const token = await app.token(user, lifetime === undefined ? {} : { lifetime });
  const parley = createParley({ url: app.url, token, ...options });
  opened.add(parley);
  return parley;
}

/** All that an iteration gives. */
export async function collect<T>(iterable: AsyncIterable<T>, each: (value: T) => unknown = () => {}): Promise<T[]> {
  const values: T[] = [];
  for await (const value of iterable) {
    values.push(value);
    await each(value);
  }
  return values;
}

/** Iterates until a value fits, that one included, and leaves. */
export async function until<T>(iterable: AsyncIterable<T>, fits: (value: T) => boolean): Promise<T[]> {
  const values: T[] = [];
  for await (const value of iterable) {
    values.push(value);
    if (fits(value)) break;
  }
  return values;
}

export function textOf(events: readonly Event[]): string {
  return events.map((event) => (event.type === 'agent.delta' ? event.text : '')).join('');
}

export function countOf(events: readonly Event[], type: EventType): number {
  return events.filter((event) => event.type === type).length;
}

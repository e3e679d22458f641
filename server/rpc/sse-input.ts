import type { IncomingMessage } from 'node:http';
import { TRPCError } from '@trpc/server';
import type { Serving } from './transport.ts';

/** Read as tRPC's HTTP handler does, so that its errors are the same. */
export function readInput(serving: Serving, req: IncomingMessage, url: URL): unknown {
  const text = url.searchParams.get('input');
  const lastEventId = lastEventIdOf(req, url);
  let input: unknown;
  try {
    if (text) input = serving.router._def._config.transformer.input.deserialize(JSON.parse(text));
  } catch (cause) {
    throw new TRPCError({ code: 'BAD_REQUEST', cause });
  }
  if (!lastEventId) return input;
  if (input === undefined || input === null) return { lastEventId };
  return typeof input === 'object' && !Array.isArray(input) ? { ...input, lastEventId } : input;
}

/** The id that an EventSource sends back by itself, or that a client put into the URL. */
export function lastEventIdOf(req: IncomingMessage, url: URL): string | undefined {
  const header = req.headers['last-event-id'];
  const id = typeof header === 'string' ? header : url.searchParams.get('lastEventId');
  return id ?? url.searchParams.get('Last-Event-Id') ?? undefined;
}

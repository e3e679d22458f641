import { once } from 'node:events';
import { initTRPC, tracked } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import superjson from 'superjson';
import { WebSocketServer } from 'ws';
import { z } from 'zod';
import { answerCommands, usage } from './answer.ts';
import { delta } from './payload.ts';
import { produce } from './produce.ts';
import type { RelayCommands } from './protocol.ts';

// tRPC as it comes: its own WebSocket handler, superjson, a tracked subscription. No log, no authorisation, no limits.

type Listener = (id: string) => void;
const topics = new Map<string, Set<Listener>>();

const t = initTRPC.create({ transformer: superjson });
const router = t.router({
  events: t.procedure.input(z.object({ topic: z.string() })).subscription(async function* ({ input, signal }) {
    const waiting: string[] = [];
    let wake: (() => void) | undefined;
    const listener: Listener = (id) => {
      waiting.push(id);
      wake?.();
    };
    const listeners = topics.get(input.topic) ?? new Set();
    topics.set(input.topic, listeners.add(listener));
    signal?.addEventListener('abort', () => wake?.());
    try {
      while (!signal?.aborted) {
        for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) yield tracked(id, delta);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      listeners.delete(listener);
    }
  }),
});

let seq = 0;
answerCommands<RelayCommands>({
  async start() {
    const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    applyWSSHandler({ wss, router });
    await once(wss, 'listening');
    const address = wss.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return { url: `http://127.0.0.1:${address.port}` };
  },
  ...usage,
  produce: (production) =>
    produce(production, (topic) => {
      const id = `1750000000000-${String(++seq).padStart(10, '0')}`;
      for (const listener of topics.get(topic) ?? []) listener(id);
      return undefined;
    }),
});

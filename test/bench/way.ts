import type { Program } from './program.ts';
import type { Connection, ListenerCommands } from './protocol.ts';
import type { Relay, Stage } from './stage.ts';

/** One way from a producer to its subscribers. */
export interface Way {
  name: string;
  relay: Relay;
  topics: readonly string[];
  /** How a subscriber of a topic connects. */
  connect(topic: string): Connection;
}

/** A `ws` server that relays bytes: the floor. */
export function rawWay(relay: Relay, topics: readonly string[]): Way {
  return { name: 'raw', relay, topics, connect: (topic) => ({ kind: 'ws', port: relay.port, path: `/${topic}` }) };
}

function subscribe(path: string, input: object): string {
  return JSON.stringify({ id: 1, method: 'subscription', params: { path, input: { json: input } } });
}

/** tRPC as it comes. */
export function stockWay(relay: Relay, topics: readonly string[]): Way {
  const connect = (topic: string): Connection => ({
    kind: 'ws',
    port: relay.port,
    path: '/',
    message: subscribe('events', { topic }),
  });
  return { name: 'stock', relay, topics, connect };
}

export type Transport = 'json' | 'binary' | 'sse';

/** A subscriber of a conversation. */
export function connectionOf(
  transport: Transport,
  { port, token, conversationId }: { port: number; token: string; conversationId: string },
): Connection {
  if (transport === 'sse') {
    const input = encodeURIComponent(JSON.stringify({ json: { conversationId } }));
    return { kind: 'sse', port, token, path: `/trpc/conversations.events?input=${input}` };
  }
  const message = subscribe('conversations.events', { conversationId });
  return { kind: 'ws', port, token, path: transport === 'binary' ? '/trpc/binary' : '/trpc', message };
}

/** Parley's server, with a conversation of the listener's for each topic. */
export async function parleyWay(
  stage: Stage,
  relay: Relay,
  options: { name: string; transport: Transport; topics: number },
): Promise<Way> {
  const { name, transport } = options;
  const { port } = relay;
  const token = await stage.token('listener');
  const connect = (conversationId: string) => connectionOf(transport, { port, token, conversationId });
  return { name, relay, topics: await stage.conversations('listener', options.topics), connect };
}

/** Opens so many subscribers of each topic. */
export async function open(listener: Program<ListenerCommands>, ways: readonly Way[], each: number): Promise<void> {
  for (const { name, topics, connect } of ways) {
    const connections = topics.flatMap((topic) => Array.from({ length: each }, () => connect(topic)));
    await listener.ask('open', { group: name, connections });
  }
}

export async function close(listener: Program<ListenerCommands>, ways: readonly Way[]): Promise<void> {
  for (const { name } of ways) await listener.ask('close', { group: name });
}

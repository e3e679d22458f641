import { once } from 'node:events';
import { type WebSocket, WebSocketServer } from 'ws';
import { answerCommands, usage } from './answer.ts';
import { audio, delta, messageOf } from './payload.ts';
import { produce } from './produce.ts';
import type { RelayCommands } from './protocol.ts';

// The floor: `ws` as it comes, handing the same bytes to everyone of a topic. A connection's path names its topic.

const topics = new Map<string, Set<WebSocket>>();
const messages = { delta: messageOf(delta), audio: messageOf(audio) };

async function start(): Promise<{ url: string }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket, request) => {
    const topic = request.url?.slice(1) ?? '';
    const sockets = topics.get(topic) ?? new Set();
    topics.set(topic, sockets.add(socket));
    socket.on('message', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}` };
}

answerCommands<RelayCommands>({
  start,
  ...usage,
  produce: (production) => {
    const message = production.audio ? messages.audio : messages.delta;
    return produce(production, (topic) => {
      for (const socket of topics.get(topic) ?? []) socket.send(message, { binary: false });
      return undefined;
    });
  },
});

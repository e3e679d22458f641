import { WebSocket } from 'ws';

/** A WebSocket that sends what it is told and keeps what it gets. */
export interface RawSocket {
  readonly messages: readonly unknown[];
  send(data: string | Uint8Array): void;
  /** The first message that fits, seen already or when it comes. */
  find(fits: (text: string) => boolean): Promise<unknown>;
  /** The answer with this id, or the first without one. */
  answer(id: number | null): Promise<Answer>;
  readonly closed: Promise<{ code: number; reason: string }>;
  close(): void;
}

/** What is read of an answer in tests. */
export interface Answer {
  id: number | null;
  error?: { json: { data: { reason: string; details?: Record<string, unknown> } } };
  result?: { type: string };
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && 'id' in value && ('error' in value || 'result' in value);
}

/** Connects; rejects when the upgrade is refused, with `status` in the message. Binary messages are kept as bytes. */
export async function rawSocket(url: string, headers: Record<string, string> = {}): Promise<RawSocket> {
  const ws = new WebSocket(url, { headers });
  const messages: unknown[] = [];
  const texts: string[] = [];
  const waiting = new Set<() => void>();
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  ws.on('message', (data, isBinary) => {
    const bytes = Buffer.isBuffer(data) ? data : Buffer.from('');
    const text = isBinary ? bytes.toString('latin1') : bytes.toString();
    texts.push(text);
    messages.push(isBinary || !text.startsWith('{') ? text : JSON.parse(text));
    for (const look of [...waiting]) look();
  });
  await new Promise<void>((resolve, reject) => {
    ws.once('open', () => resolve());
    ws.once('error', reject);
  });
  ws.on('error', () => {});
  const find = (fits: (text: string) => boolean): Promise<unknown> =>
    new Promise((resolve) => {
      const look = (): void => {
        const at = texts.findIndex(fits);
        if (at < 0) return;
        waiting.delete(look);
        resolve(messages[at]);
      };
      waiting.add(look);
      look();
    });
  return {
    messages,
    send: (data) => ws.send(data),
    find,
    async answer(id) {
      const found = await find((text) => text.startsWith(`{"id":${id}`));
      if (!isAnswer(found)) throw new Error('no answer');
      return found;
    },
    closed,
    close: () => ws.close(),
  };
}

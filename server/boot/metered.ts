import type { LogStore } from '../live/port.ts';

/** A log that tells how many events were appended to it. */
export function metered(log: LogStore, count: (events: number) => void): LogStore {
  return {
    async append(append) {
      const batch = await log.append(append);
      count(batch.events.length);
      return batch;
    },
    head: (conversationId) => log.head(conversationId),
    claim: (conversationId, turn) => log.claim(conversationId, turn),
    read: (conversationId, position, limit) => log.read(conversationId, position, limit),
    listen: (conversationId, listener) => log.listen(conversationId, listener),
    unlisten: (conversationId, listener) => log.unlisten(conversationId, listener),
    forget: (conversationId) => log.forget(conversationId),
    healthy: () => log.healthy(),
    close: () => log.close(),
  };
}

import type { Event, Tracked } from '@parley/shared/event';
import { eventId } from './id.ts';
import type { LogStore, Position } from './port.ts';

/** Events in an export at most. */
const most = 5_000;

/** The events that a conversation's log still holds, oldest first. Audio is left out: its bytes are not for a document. */
export async function keptEvents(log: LogStore, conversationId: string): Promise<Tracked[]> {
  const head = await log.head(conversationId);
  const kept: Tracked[] = [];
  let position: Position = { epoch: head.epoch, seq: Math.max(0, head.seq - most) };
  while (position.seq < head.seq) {
    const batches = await log.read(conversationId, position, 500);
    if (batches === 'gone') {
      // The beginning has been trimmed: look for what is left, in halves.
      const middle = position.seq + Math.ceil((head.seq - position.seq) / 2);
      if (kept.length > 0 || middle >= head.seq) break;
      position = { epoch: head.epoch, seq: middle };
      continue;
    }
    if (batches.length === 0) break;
    for (const batch of batches) {
      batch.events.forEach((encoded, i) => {
        const data: Event = encoded.event;
        if (data.type !== 'agent.audio') kept.push({ id: eventId(batch.epoch, batch.first + i), data });
      });
      position = { epoch: batch.epoch, seq: batch.first + batch.events.length - 1 };
    }
  }
  return kept;
}

import type { Event, EventOf, Tracked } from '@parley/shared/event';
import { type TurnRecord, TurnWriter } from './turn-record.ts';

/** Turns that are remembered, and recordings whose turn has not begun. */
const mostTurns = 100;
const mostRecordings = 16;

type Spoken = EventOf<'agent.listening' | 'transcript.partial'>;

/** The turns of a conversation as its events tell of them, oldest first. What an event does not touch stays the same object. */
export class TurnLog {
  readonly #turns = new Map<string, TurnWriter>();
  /** What was told of recordings before their turn had begun. */
  readonly #recordings = new Map<string, { id: string; event: Spoken; receivedAt: number }[]>();
  #records: readonly TurnRecord[] = [];

  get records(): readonly TurnRecord[] {
    const records = [...this.#turns.values()].map(({ record }) => record);
    const isSame = records.length === this.#records.length && records.every((record, i) => record === this.#records[i]);
    if (!isSame) this.#records = records;
    return this.#records;
  }

  take({ id, data }: Tracked, receivedAt: number = Date.now()): void {
    if (data.type === 'gap') this.#bridge(data);
    else if (data.type === 'conversation.deleted') this.#turns.clear();
    else if (data.type === 'agent.listening' || data.type === 'transcript.partial') this.#heard(id, data, receivedAt);
    else this.#write(id, data, receivedAt);
  }

  #write(id: string, data: Event, receivedAt: number): void {
    const turnId = turnOf(data);
    // An answer may be stored anew when more becomes known of what was heard, long after its turn.
    if (turnId === undefined || (data.type === 'message.saved' && !this.#turns.has(turnId))) return;
    const turn = this.#turn(turnId);
    if (data.type === 'turn.started') turn.write(id, data, receivedAt);
    if ('voiceSessionId' in data && data.voiceSessionId !== undefined) {
      for (const told of this.#recordings.get(data.voiceSessionId) ?? [])
        turn.write(told.id, told.event, told.receivedAt);
      this.#recordings.delete(data.voiceSessionId);
    }
    if (data.type !== 'turn.started') turn.write(id, data, receivedAt);
  }

  #turn(id: string): TurnWriter {
    const known = this.#turns.get(id);
    if (known) return known;
    const turn = new TurnWriter(id);
    this.#turns.set(id, turn);
    const oldest = this.#turns.keys().next();
    if (this.#turns.size > mostTurns && !oldest.done) this.#turns.delete(oldest.value);
    return turn;
  }

  #heard(id: string, event: Spoken, receivedAt: number): void {
    const { voiceSessionId } = event;
    this.#recordings.set(voiceSessionId, [
      ...(this.#recordings.get(voiceSessionId) ?? []).slice(-mostRecordings),
      { id, event, receivedAt },
    ]);
    const oldest = this.#recordings.keys().next();
    if (this.#recordings.size > mostRecordings && !oldest.done) this.#recordings.delete(oldest.value);
  }

  /** Turns that ended within the gap: their stored answers say how. */
  #bridge({ snapshot }: EventOf<'gap'>): void {
    for (const turn of this.#turns.values()) {
      if (turn.record.status !== 'running' || turn.id === snapshot.turn?.id) continue;
      const answer = snapshot.messages.findLast(({ turnId, role }) => turnId === turn.id && role === 'agent');
      turn.settle(answer?.status === 'complete' ? 'completed' : (answer?.status ?? 'ended'), answer?.id);
    }
    if (snapshot.turn) this.#turn(snapshot.turn.id);
  }
}

function turnOf(event: Event): string | undefined {
  return 'turnId' in event ? event.turnId : undefined;
}

import type { Event, Tracked } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import { turnOf } from './follow.ts';

/** Events of one replay that are kept; without their sound they take some hundred bytes each. */
const mostEvents = 500_000;

/** What came of a replayed conversation, by turn. */
export class Inbox {
  readonly #turns = new Map<string, Event[]>();
  readonly #looks = new Set<() => void>();
  #count = 0;
  #lastId = '';
  /** More came than is kept. */
  isFull = false;
  /** Ids that were not greater than the one before. */
  disorder = 0;
  /** Events are missing, and the server said so. */
  gaps = 0;

  take({ id, data }: Tracked): void {
    if (this.isFull) return;
    this.isFull = ++this.#count >= mostEvents;
    if (data.type === 'gap') this.gaps++;
    else if (id <= this.#lastId) this.disorder++;
    this.#lastId = id;
    const turnId = turnOf(data);
    if (turnId !== undefined) this.#keep(turnId, data);
    for (const look of [...this.#looks]) look();
  }

  of(turnId: string): readonly Event[] {
    return this.#turns.get(turnId) ?? [];
  }

  hasEnded(turnId: string): boolean {
    return this.of(turnId).some(isTerminal);
  }

  /** Resolves with true when this is so, with false when it is not after a time. Looked at whenever something comes. */
  when(isSo: () => boolean, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (result: boolean): void => {
        clearTimeout(timer);
        this.#looks.delete(look);
        resolve(result);
      };
      const look = (): void => {
        if (isSo()) settle(true);
      };
      const timer = setTimeout(() => settle(false), ms);
      this.#looks.add(look);
      look();
    });
  }

  #keep(turnId: string, event: Event): void {
    const events = this.#turns.get(turnId) ?? [];
    this.#turns.set(turnId, events);
    events.push(event.type === 'agent.audio' ? { ...event, data: new Uint8Array(0) } : event);
  }
}

import type { Event, TerminalEvent } from './event.ts';

/** Whether an event ends its turn. Beside the schemas, not among them: the client core comes without zod. */
export function isTerminal(event: Event): event is TerminalEvent {
  return event.type === 'turn.completed' || event.type === 'turn.interrupted' || event.type === 'turn.failed';
}

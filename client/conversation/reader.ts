import type { Event, EventOf, TerminalEvent } from '@parley/shared/event';
import { explain } from '@parley/shared/explain';
import type { MessageInEvent } from '@parley/shared/message';
import { isRetryable } from '@parley/shared/reason';
import { isTerminal } from '@parley/shared/terminal';
import type { Turn, TurnMedium, TurnPart } from '@parley/shared/turn';

/** How a turn began, for when its first event is gone. */
export interface Beginning {
  conversationId: string;
  turnId: string;
  input: TurnMedium;
  parts: TurnPart[];
  /** The recording that it comes of: what is understood of that before the turn begins is part of it. */
  voiceSessionId?: string;
}

/**
 * One turn out of a conversation's events, whole whatever became of them: what a gap swallowed of the answer comes from its
 * snapshot, an end that nobody delivered from the turn as it is stored.
 */
export class TurnReader {
  readonly #beginning: Beginning;
  #bubbles: string[] = [];
  #hasStarted = false;
  #terminal: TerminalEvent | undefined;
  /** The answer as a gap's snapshot has it stored. */
  #stored: MessageInEvent | undefined;
  #isSaved = false;

  constructor(beginning: Beginning) {
    this.#beginning = beginning;
  }

  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** The answer so far. */
  get text(): string {
    return this.#bubbles.join('');
  }

  get terminal(): TerminalEvent | undefined {
    return this.#terminal;
  }

  /** One that goes on from here by itself. */
  copy(): TurnReader {
    const copy = new TurnReader(this.#beginning);
    copy.#bubbles = [...this.#bubbles];
    copy.#hasStarted = this.#hasStarted;
    copy.#terminal = this.#terminal;
    copy.#stored = this.#stored;
    copy.#isSaved = this.#isSaved;
    return copy;
  }

  /** What an event of the conversation means for the turn, none for most. */
  read(event: Event): Event[] {
    if (this.#terminal) return [];
    if (event.type === 'gap') return this.#bridge(event);
    if (this.#isOfRecording(event)) return [event];
    if (!('turnId' in event) || event.turnId !== this.#beginning.turnId) return [];
    if (event.type === 'turn.started') this.#hasStarted = true;
    else if (event.type === 'agent.delta')
      this.#bubbles[event.bubble] = (this.#bubbles[event.bubble] ?? '') + event.text;
    else if (event.type === 'message.saved' && event.role === 'agent') this.#isSaved = true;
    else if (isTerminal(event)) this.#terminal = event;
    return [event];
  }

  /** The rest of a turn that has ended without our hearing of it; nothing of one that goes on. */
  finish(turn: Turn): Event[] {
    if (this.#terminal || turn.status === 'queued' || turn.status === 'running') return [];
    const at = Date.now();
    const events = [...this.#begin(at)];
    const stored = this.#stored;
    if (stored) events.push(...this.#complete(bubblesOf(stored), at));
    else if (turn.text.startsWith(this.text)) {
      const last = Math.max(0, this.#bubbles.length - 1);
      const bubble = (this.#bubbles[last] ?? '') + turn.text.slice(this.text.length);
      events.push(...this.#complete([...this.#bubbles.slice(0, last), bubble], at));
    }
    if (stored && !this.#isSaved) events.push({ type: 'message.saved', ...stored, at, message: stored });
    const { conversationId, turnId } = this.#beginning;
    const base = { conversationId, turnId, at };
    if (turn.metrics) events.push({ type: 'turn.metrics', ...base, ...turn.metrics });
    const terminal = terminalOf(turn, { ...base, ...(stored && { messageId: stored.id }) });
    this.#terminal = terminal;
    events.push(terminal);
    return events;
  }

  #isOfRecording(event: Event): boolean {
    if (event.type !== 'agent.listening' && event.type !== 'transcript.partial') return false;
    const isOurs = event.voiceSessionId === this.#beginning.voiceSessionId;
    return isOurs && event.turnId === undefined && !this.#hasStarted;
  }

  #bridge({ at, snapshot }: EventOf<'gap'>): Event[] {
    const { turnId } = this.#beginning;
    if (snapshot.turn?.id === turnId) return [...this.#begin(at), ...this.#complete(snapshot.turn.bubbles, at)];
    this.#stored ??= snapshot.messages.find((message) => message.turnId === turnId && message.role === 'agent');
    return [];
  }

  #begin(at: number): Event[] {
    if (this.#hasStarted) return [];
    this.#hasStarted = true;
    const { voiceSessionId, ...beginning } = this.#beginning;
    return [{ type: 'turn.started', ...beginning, at }];
  }

  /** The deltas between what was seen of the answer and `bubbles`. */
  #complete(bubbles: readonly string[], at: number): Event[] {
    const { conversationId, turnId } = this.#beginning;
    const events: Event[] = [];
    for (const [bubble, whole] of bubbles.entries()) {
      const seen = this.#bubbles[bubble] ?? '';
      if (whole.length <= seen.length || !whole.startsWith(seen)) continue;
      this.#bubbles[bubble] = whole;
      events.push({ type: 'agent.delta', conversationId, turnId, at, bubble, text: whole.slice(seen.length) });
    }
    return events;
  }
}

function bubblesOf(message: MessageInEvent): string[] {
  return message.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
}

function terminalOf(
  turn: Turn,
  base: Pick<TerminalEvent, 'conversationId' | 'turnId' | 'at' | 'messageId'>,
): TerminalEvent {
  if (turn.status !== 'failed') {
    return { type: turn.status === 'completed' ? 'turn.completed' : 'turn.interrupted', ...base };
  }
  const code = turn.code ?? 'INTERNAL';
  return { type: 'turn.failed', ...base, code, message: explain(code, 'en'), retryable: isRetryable(code) };
}

import type { Event } from '@parley/shared/event';
import { textOf } from '@parley/shared/message';

/** Turns events into the text that a person reads: a line for what somebody said, the answer as it grows. */
export class Screen {
  /** The bubble that is being written, of which turn. */
  #open: { turnId: string; bubble: number } | undefined;
  #title: string | undefined;

  /** What to write for this event, often nothing. */
  show(event: Event): string {
    switch (event.type) {
      case 'message.saved':
        return event.role === 'human' ? this.#line(`you    ${oneLine(textOf(event.parts))}`) : '';
      case 'agent.delta':
        return this.#delta(event.turnId, event.bubble, event.text);
      case 'tool.call':
        return this.#line(`tool   ${event.name}`);
      case 'turn.completed':
        return this.#close();
      case 'turn.interrupted':
        return this.#line('⏹ interrupted');
      case 'turn.failed':
        return this.#line(`⚠ ${event.message} (${event.code})`);
      case 'conversation.updated':
        return this.#titled(event.conversation.title);
      case 'conversation.ended':
        return this.#line('the conversation has ended');
      case 'conversation.deleted':
        return this.#line('the conversation was deleted');
      case 'gap': {
        const { turn } = event.snapshot;
        const line = this.#line(`… ${event.reason}`);
        const bubbles = turn?.bubbles ?? [];
        return line + bubbles.map((text, bubble) => this.#delta(turn?.id ?? '', bubble, text)).join('');
      }
      default:
        return '';
    }
  }

  /** Of a conversation other things change too. */
  #titled(title: string | null): string {
    if (title === null || title === this.#title) return '';
    this.#title = title;
    return this.#line(`title  ${title}`);
  }

  #delta(turnId: string, bubble: number, text: string): string {
    if (this.#open?.turnId === turnId && this.#open.bubble === bubble) return text;
    const before = this.#close();
    this.#open = { turnId, bubble };
    return `${before}agent  ${text}`;
  }

  #line(text: string): string {
    return `${this.#close()}${text}\n`;
  }

  #close(): string {
    const isOpen = this.#open !== undefined;
    this.#open = undefined;
    return isOpen ? '\n' : '';
  }
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ⏎ ');
}

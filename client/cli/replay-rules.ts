import type { Event, EventOf, TerminalEvent } from '@parley/shared/event';
import type { MessageInEvent } from '@parley/shared/message';
import { isTerminal } from '@parley/shared/terminal';

/** How a message's status follows from the end of its turn. */
const statusAfter: Readonly<Record<TerminalEvent['type'], MessageInEvent['status']>> = {
  'turn.completed': 'complete',
  'turn.interrupted': 'interrupted',
  'turn.failed': 'failed',
};

/**
 * The contract's 'Order within a turn', held against one turn's events in the order in which they came, from its first to
 * what came after its last. One line a rule that is broken; none is a good turn.
 */
export function brokenRules(events: readonly Event[]): string[] {
  const rules = new TurnRules();
  for (const event of events) rules.take(event);
  return rules.end();
}

class TurnRules {
  readonly #broken = new Set<string>();
  readonly #bubbles: string[] = [];
  #sentences: string[] = [];
  #started: EventOf<'turn.started'> | undefined;
  #human = false;
  #hasAnswered = false;
  #answer: MessageInEvent | undefined;
  #terminal: TerminalEvent | undefined;
  #sound: { sentence: number; chunk: number; last: boolean } | undefined;
  #isSilenced = false;

  take(event: Event): void {
    if (this.#terminal) this.#say(`${event.type} comes after ${this.#terminal.type}, which is to be the last`);
    const isBefore = event.type === 'agent.listening' || event.type === 'transcript.partial';
    if (!this.#started && event.type !== 'turn.started' && !isBefore)
      this.#say(`${event.type} comes before turn.started, which is to be the first`);
    if (isOfAgent(event)) this.#hasAnswered = true;
    switch (event.type) {
      case 'turn.started':
        if (this.#started) this.#say('turn.started comes twice');
        this.#started = event;
        break;
      case 'message.saved':
        this.#saved(event.message);
        break;
      case 'agent.delta':
        this.#bubbles[event.bubble] = (this.#bubbles[event.bubble] ?? '') + event.text;
        break;
      case 'agent.text':
        if (event.sentence !== this.#sentences.length)
          this.#say(`agent.text: sentence ${event.sentence} comes in place of ${this.#sentences.length}`);
        this.#sentences = [...this.#sentences, event.text];
        break;
      case 'agent.audio':
        this.#heard(event);
        break;
      case 'agent.audioFailed':
        if (this.#sound?.sentence === event.sentence) this.#sound.last = true;
        break;
      case 'speech.stop':
        this.#isSilenced = true;
        break;
      default:
        if (isTerminal(event)) this.#terminal ??= event;
    }
  }

  end(): string[] {
    if (!this.#terminal) this.#say('no event ends the turn');
    else this.#compare(this.#terminal);
    return [...this.#broken];
  }

  #say(line: string): void {
    this.#broken.add(line);
  }

  #saved(message: MessageInEvent): void {
    if (message.role === 'agent') {
      if (this.#answer) this.#say('message.saved (agent) comes twice');
      this.#answer = message;
      return;
    }
    if (this.#human) this.#say('message.saved (human) comes twice');
    if (this.#hasAnswered) this.#say('message.saved (human) comes after events of the agent');
    this.#human = true;
  }

  #heard({ sentence, chunk, last }: EventOf<'agent.audio'>): void {
    const before = this.#sound;
    this.#sound = { sentence, chunk, last };
    if (this.#isSilenced) this.#say('agent.audio comes after speech.stop');
    if (sentence >= this.#sentences.length)
      this.#say(`agent.audio of sentence ${sentence} comes before its agent.text`);
    if (before?.sentence === sentence) {
      if (chunk !== before.chunk + 1)
        this.#say(`agent.audio of sentence ${sentence}: chunk ${chunk} after ${before.chunk}`);
      if (before.last) this.#say(`agent.audio of sentence ${sentence} goes on after its last chunk`);
      return;
    }
    if (before && sentence < before.sentence) this.#say(`agent.audio of sentence ${sentence} after ${before.sentence}`);
    if (before && !before.last) this.#say(`agent.audio of sentence ${before.sentence} has no last chunk`);
    if (chunk !== 0) this.#say(`agent.audio of sentence ${sentence} begins with chunk ${chunk}`);
  }

  /** What came of the answer, against what is stored of it. */
  #compare(terminal: TerminalEvent): void {
    const [deltas, sentences] = [this.#bubbles.join(''), this.#sentences.join('')];
    const stored = this.#answer;
    if (stored && stored.status !== statusAfter[terminal.type])
      this.#say(`${terminal.type}, but the answer is stored as ${stored.status}`);
    if (terminal.messageId !== stored?.id) this.#say(`${terminal.type} names another message than was saved`);
    if (!stored) {
      if (deltas !== '') this.#say('an answer was delivered, and none is stored');
      return;
    }
    const bubbles = stored.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
    if (stored.status === 'complete') {
      if (JSON.stringify(bubbles) !== JSON.stringify(this.#bubbles))
        this.#say('the agent.delta events do not make the stored answer');
      if (sentences !== bubbles.join('')) this.#say('the agent.text events do not make the stored answer');
      return;
    }
    // Where an answer was cut, the space there may be on neither side.
    const whole = plain(bubbles.join('') + (stored.unheard ?? ''));
    if (!whole.startsWith(plain(deltas))) this.#say('the agent.delta events are no beginning of what is stored');
    if (!whole.startsWith(plain(sentences))) this.#say('the agent.text events are no beginning of what is stored');
  }
}

function isOfAgent(event: Event): boolean {
  if (event.type === 'agent.listening') return false;
  return event.type.startsWith('agent.') || event.type.startsWith('tool.');
}

function plain(text: string): string {
  return text.replace(/\s+/g, '');
}

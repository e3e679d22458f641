import type { Event, EventOf, Snapshot, TerminalEvent } from '@parley/shared/event';
import { type MessageInEvent, type MessagePart, textOf } from '@parley/shared/message';
import { isTerminal } from '@parley/shared/terminal';
import type { Log, Stored } from './oracle.ts';

/** What a subscriber knows of one turn. */
interface Seen {
  started: boolean;
  userMessageId: string | undefined;
  /** Its user's message has been seen, or a snapshot that has it. */
  asked: boolean;
  /** The answer so far; undefined when its beginning is not known, so that no more of it may come. */
  bubbles: string[] | undefined;
  /** All deltas and all sentences, in the order in which they came. */
  said: string;
  sentences: string;
  /** The number of the next sentence; undefined after a gap, when any may come. */
  sentence: number | undefined;
  whole: boolean;
  audio: { sentence: number; chunk: number; last: boolean } | undefined;
  answer: string | undefined;
  ended: boolean;
}

/** Replays one subscriber's log by the contract's rules, against what is stored. Answers what does not hold. */
export function readLog(log: Log, stored: Stored, over: boolean): string[] {
  const reader = new LogReader(log, stored);
  for (const { id, data } of log.events) reader.read(id, data);
  if (over) reader.finish();
  return reader.found;
}

class LogReader {
  readonly found: string[] = [];
  readonly #log: Log;
  readonly #stored: Stored;
  readonly #turns = new Map<string, Seen>();
  #lastId = '';
  #afterGap = false;
  #deleted = false;

  constructor(log: Log, stored: Stored) {
    this.#log = log;
    this.#stored = stored;
  }

  read(id: string, event: Event): void {
    if (id <= this.#lastId) this.#say(`${event.type} ${id} came after ${this.#lastId}`);
    this.#lastId = id;
    if (event.conversationId !== this.#log.conversationId) this.#say(`${event.type} is of another conversation`);
    if (this.#deleted) this.#say(`${event.type} after conversation.deleted`);
    if (event.type === 'conversation.deleted') this.#deleted = true;
    else if (event.type === 'gap') this.#gap(event.snapshot);
    else if ('turnId' in event && event.turnId !== undefined) this.#inTurn(event.turnId, event);
  }

  finish(): void {
    if (this.#deleted) return;
    for (const [turnId, seen] of this.#turns) if (!seen.ended) this.#say(`turn ${turnId} never ended`);
  }

  #say(line: string): void {
    this.found.push(line);
  }

  #inTurn(turnId: string, event: Event): void {
    const say = (line: string) => this.#say(`turn ${turnId}: ${line}`);
    const seen = this.#turns.get(turnId) ?? newSeen();
    if (seen.ended) say(`${event.type} after its end`);
    if (event.type === 'turn.started') {
      if (seen.started) say('started twice');
      const knows = seen.bubbles !== undefined && seen.bubbles.join('') !== '';
      if (knows) say('started again behind what was said already');
      Object.assign(seen, { ...newSeen(), started: true, whole: true, bubbles: [], sentence: 0 });
      seen.userMessageId = event.userMessageId;
      // A greeting has none; another try's was saved by the turn that it repeats.
      seen.asked = event.userMessageId === undefined || this.#isOfAnother(event.userMessageId, turnId);
      this.#turns.set(turnId, seen);
      return;
    }
    if (!this.#turns.has(turnId)) {
      if (!this.#afterGap) say(`begins with ${event.type}`);
      this.#turns.set(turnId, seen);
    }
    if (event.type.startsWith('agent.') && !seen.asked) say(`${event.type} before its user's message`);
    if (event.type.startsWith('agent.') && seen.answer !== undefined) say(`${event.type} after its answer was saved`);
    if (event.type === 'agent.delta') this.#delta(seen, event, say);
    else if (event.type === 'agent.text') this.#sentence(seen, event, say);
    else if (event.type === 'agent.audio') this.#audio(seen, event, say);
    else if (event.type === 'message.saved') this.#saved(seen, event.message, say);
    else if (isTerminal(event)) this.#terminal(seen, turnId, event, say);
  }

  #isOfAnother(messageId: string, turnId: string): boolean {
    const row = this.#stored.messages.find(({ id }) => id === messageId);
    return row !== undefined && row.turn_id !== turnId;
  }

  #delta(seen: Seen, event: EventOf<'agent.delta'>, say: (line: string) => void): void {
    if (!seen.bubbles) {
      say('agent.delta although nothing tells what comes before it');
      return;
    }
    const last = seen.bubbles.length - 1;
    if (event.bubble < last || event.bubble > last + 1) say(`agent.delta of bubble ${event.bubble} after ${last}`);
    seen.bubbles[event.bubble] = (seen.bubbles[event.bubble] ?? '') + event.text;
    seen.said += event.text;
  }

  #sentence(seen: Seen, event: EventOf<'agent.text'>, say: (line: string) => void): void {
    if (seen.sentence !== undefined && event.sentence !== seen.sentence)
      say(`sentence ${event.sentence} in place of ${seen.sentence}`);
    seen.sentence = event.sentence + 1;
    if (seen.whole && !seen.said.startsWith(event.text, seen.sentences.length))
      say(`sentence ${event.sentence} is not in the deltas`);
    seen.sentences += event.text;
  }

  #audio(seen: Seen, event: EventOf<'agent.audio'>, say: (line: string) => void): void {
    const { audio } = seen;
    const same = audio?.sentence === event.sentence;
    if (event.sentence >= (seen.sentence ?? Number.POSITIVE_INFINITY)) say(`audio ${event.sentence} before its text`);
    if (audio && event.sentence < audio.sentence) say(`audio ${event.sentence} after ${audio.sentence}`);
    if (audio && (same ? audio.last : !audio.last))
      say(`audio ${event.sentence} after ${audio.sentence}, ended ${audio.last}`);
    if (seen.whole && event.chunk !== (same ? audio.chunk + 1 : 0)) say(`audio chunk ${event.chunk} out of order`);
    seen.audio = { sentence: event.sentence, chunk: event.chunk, last: event.last };
  }

  #saved(seen: Seen, message: MessageInEvent, say: (line: string) => void): void {
    const row = this.#stored.messages.find(({ id }) => id === message.id);
    if (!row) say(`message.saved ${message.id} is not stored`);
    else if (textOf(row.parts) !== textOf(message.parts))
      say(`message.saved ${message.id} is stored with another text`);
    if (message.role === 'human') {
      if (seen.userMessageId !== undefined && message.id !== seen.userMessageId)
        say('message.saved of another message');
      if (seen.answer !== undefined) say("its user's message came after its answer");
      seen.asked = true;
      return;
    }
    if (seen.answer !== undefined) say('two answers');
    seen.answer = message.id;
    if (seen.bubbles && !isPrefix(seen.bubbles, message.parts)) say('what was seen is no prefix of its answer');
    if (seen.whole && message.status === 'complete') {
      if (spoken(seen.bubbles ?? []).join('\0') !== bubblesOf(message.parts).join('\0'))
        say('less was seen than its answer');
      if (seen.sentences !== (seen.bubbles ?? []).join('')) say('its sentences are not its deltas');
    }
  }

  #terminal(seen: Seen, turnId: string, event: TerminalEvent, say: (line: string) => void): void {
    seen.ended = true;
    const row = this.#stored.turns.find(({ id }) => id === turnId);
    if (!row) {
      say(`${event.type}, and it is not stored`);
      return;
    }
    if (event.type !== `turn.${row.status}`) say(`${event.type}, stored as ${row.status}`);
    if (event.type === 'turn.failed' && event.code !== row.code) say(`failed with ${event.code}, stored ${row.code}`);
    if ((event.messageId ?? null) !== row.agent_message_id) say('its end names another answer than is stored');
    if (event.messageId !== seen.answer) say(`ended with answer ${event.messageId}, saved ${seen.answer}`);
    if (row.agent_message_id === null && spoken(seen.bubbles ?? []).length > 0)
      say('what was seen of its answer is not stored');
  }

  #gap({ conversation, messages, turn }: Snapshot): void {
    this.#afterGap = true;
    if (conversation.id !== this.#log.conversationId) this.#say('gap of another conversation');
    for (const [i, message] of messages.entries()) {
      const before = messages[i - 1];
      if (before && before.createdAt >= message.createdAt) this.#say('gap: times of messages do not increase');
      const row = this.#stored.messages.find(({ id }) => id === message.id);
      if (!row) this.#say(`gap: message ${message.id} is not stored`);
      else if (textOf(row.parts) !== textOf(message.parts)) this.#say(`gap: message ${message.id} has another text`);
    }
    for (const [turnId, seen] of this.#turns) if (!seen.ended) this.#overGap(turnId, seen, messages, turn);
    if (!turn) return;
    if (turn.text !== turn.bubbles.join('')) this.#say('gap: the text is not that of its bubbles');
    const known = this.#turns.get(turn.id);
    if (known?.ended) this.#say(`gap: turn ${turn.id} runs after its end`);
    if (known?.bubbles && !turn.text.startsWith(known.bubbles.join(''))) this.#say('gap: less than was seen before');
    const seen = {
      ...newSeen(),
      ...known,
      bubbles: [...turn.bubbles],
      sentence: undefined,
      whole: false,
      audio: undefined,
    };
    seen.asked ||= messages.some((message) => message.turnId === turn.id && message.role === 'human');
    this.#turns.set(turn.id, seen);
  }

  /** What a gap means for a turn that was running before it. */
  #overGap(turnId: string, seen: Seen, messages: readonly MessageInEvent[], turn: Snapshot['turn']): void {
    if (turn?.id === turnId) return;
    const row = this.#stored.turns.find(({ id }) => id === turnId);
    const answer = messages.find((message) => message.turnId === turnId && message.role === 'agent');
    if (answer && seen.bubbles && !isPrefix(seen.bubbles, answer.parts))
      this.#say(`gap: what was seen of turn ${turnId} is no prefix of its answer`);
    // Its end may be told by the snapshot, or still come; or another owner begins it anew.
    if (answer || (row?.ended_at && row.agent_message_id === null)) this.#turns.delete(turnId);
    else
      this.#turns.set(turnId, {
        ...newSeen(),
        bubbles: spoken(seen.bubbles ?? []).length > 0 ? undefined : seen.bubbles,
      });
  }
}

function newSeen(): Seen {
  return {
    started: false,
    userMessageId: undefined,
    asked: false,
    bubbles: undefined,
    said: '',
    sentences: '',
    sentence: undefined,
    whole: false,
    audio: undefined,
    answer: undefined,
    ended: false,
  };
}

function spoken(bubbles: readonly string[]): string[] {
  return bubbles.filter((text) => text.trim() !== '');
}

function bubblesOf(parts: readonly MessagePart[]): string[] {
  return parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
}

function isPrefix(seen: readonly string[], parts: readonly MessagePart[]): boolean {
  const said = spoken(seen);
  const all = bubblesOf(parts);
  return said.every((text, i) => (i < said.length - 1 ? all[i] === text : (all[i] ?? '').startsWith(text)));
}

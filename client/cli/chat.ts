import type { Event } from '@parley/shared/event';
import { textOf } from '@parley/shared/message';
import { isTerminal } from '@parley/shared/terminal';
import type { Parley } from '../connect.ts';
import type { Conversation } from '../conversation/conversation.ts';
import type { Turn } from '../conversation/turn.ts';
import { failureOf } from '../failure.ts';
import { type Command, note, print, UsageError } from './command.ts';
import { json } from './json.ts';
import { Lines } from './lines.ts';
import { openSession, parse, reportLoss, sessionHelp, sessionOptions } from './session.ts';

/** Messages that are shown of a conversation that goes on. */
const recent = 6;

export const chat: Command = {
  summary: 'talk',
  help: `usage: npm run parley -- chat [options]

Talks with the agent, a line a turn. Ctrl-C interrupts an answer; at the prompt, as Ctrl-D, it leaves.
From a pipe (echo hello | npm run -s parley -- chat) it prints the answers and nothing else.

  --conversation ID  go on with this conversation
  --continue         go on with the newest one
  --speak yes|no     whether answers are spoken too
  --json             every event of the turns as a line of JSON, bytes in base64
${sessionHelp}`,
  exits: { failed: 'an answer failed (from a pipe), or nothing could be said' },
  async run(args) {
    const { values } = parse(args, {
      ...sessionOptions,
      conversation: { type: 'string' },
      continue: { type: 'boolean' },
      speak: { type: 'string' },
      json: { type: 'boolean' },
    });
    const { speak } = values;
    if (speak !== undefined && speak !== 'yes' && speak !== 'no') throw new UsageError('--speak is yes or no');
    if (values.conversation !== undefined && values.continue)
      throw new UsageError('--conversation and --continue exclude each other');
    const parley = await openSession(values, reportLoss());
    try {
      const known = values.conversation ?? (values.continue ? await newest(parley) : undefined);
      const conversation = known === undefined ? await parley.conversations.create() : parley.conversation(known);
      const talk = new Talk(parley, conversation, {
        json: values.json === true,
        speak: speak === undefined ? undefined : speak === 'yes',
      });
      return await talk.run();
    } finally {
      await parley.close();
    }
  },
};

async function newest(parley: Parley): Promise<string | undefined> {
  const page = await parley.trpc.conversations.list.query({ limit: 1, status: 'active' });
  return page.items[0]?.id;
}

class Talk {
  readonly #parley: Parley;
  readonly #conversation: Conversation;
  readonly #options: { json: boolean; speak: boolean | undefined };
  readonly #lines = new Lines(() => this.#interrupt());
  #speaking: Turn | undefined;
  #isInterrupting = false;
  #hasFailed = false;

  constructor(parley: Parley, conversation: Conversation, options: { json: boolean; speak: boolean | undefined }) {
    this.#parley = parley;
    this.#conversation = conversation;
    this.#options = options;
  }

  async run(): Promise<number> {
    const { id } = this.#conversation;
    const { isTyped } = this.#lines;
    // Looked up in any case, so that a wrong id is told before anything is said.
    const { runningTurn, messageCount } = await this.#parley.trpc.conversations.get.query({ conversationId: id });
    if (isTyped) {
      note(`conversation ${id}`);
      if (messageCount > 0) await this.#recall();
      const running = runningTurn ? this.#conversation.turn(runningTurn.id) : undefined;
      const turn = running ?? (messageCount === 0 ? (await this.#conversation.open()).greeting : undefined);
      if (turn) await this.#listen(turn);
    }
    const { speak } = this.#options;
    for (let line = await this.#lines.next(); line !== undefined; line = await this.#lines.next()) {
      await this.#listen(this.#conversation.send(line, { onBusy: 'queue', ...(speak !== undefined && { speak }) }));
    }
    if (isTyped) note(`\nto go on: npm run parley -- chat --conversation ${id}`);
    return this.#hasFailed && !isTyped ? 1 : 0;
  }

  /** The end of what was said before. */
  async #recall(): Promise<void> {
    const { items } = await this.#parley.trpc.conversations.messages.query({
      conversationId: this.#conversation.id,
      limit: recent,
      order: 'desc',
    });
    for (const { role, parts } of items.reverse()) {
      await print(`${role === 'human' ? 'you >' : 'agent >'} ${textOf(parts)}\n`);
    }
  }

  async #listen(turn: Turn): Promise<void> {
    this.#speaking = turn;
    this.#isInterrupting = false;
    const answer = new AnswerText(this.#lines.isTyped);
    try {
      for await (const event of turn) {
        // From its end on there is nothing to interrupt: Ctrl-C leaves.
        if (isTerminal(event)) this.#speaking = undefined;
        await print(this.#options.json ? `${json(event)}\n` : answer.show(event));
        if (event.type === 'turn.interrupted') this.#tell('⏹ interrupted');
        else if (event.type === 'turn.failed') this.#failed(event.message, event.code);
      }
    } catch (error) {
      if (!this.#options.json) await print(answer.end());
      const { message, reason } = failureOf(error);
      this.#failed(message, reason);
    } finally {
      this.#speaking = undefined;
    }
  }

  #failed(message: string, reason: string): void {
    this.#hasFailed = true;
    this.#tell(`⚠ ${message} (${reason})`);
  }

  /** Beside the answer: from a pipe, only answers are printed. */
  #tell(text: string): void {
    if (this.#lines.isTyped && !this.#options.json) process.stdout.write(`${text}\n`);
    else note(text);
  }

  #interrupt(): void {
    const turn = this.#speaking;
    if (!turn) this.#lines.close();
    else if (this.#isInterrupting) process.exit(130);
    else {
      this.#isInterrupting = true;
      turn.interrupt().catch((error: unknown) => this.#tell(`⚠ ${failureOf(error).message}`));
    }
  }
}

/** An answer as it is printed: a line a bubble. */
class AnswerText {
  readonly #isTyped: boolean;
  #bubble: number | undefined;

  constructor(isTyped: boolean) {
    this.#isTyped = isTyped;
  }

  show(event: Event): string {
    if (event.type === 'agent.delta') {
      if (event.bubble === this.#bubble) return event.text;
      const before = this.end();
      this.#bubble = event.bubble;
      return `${before}${this.#isTyped ? 'agent > ' : ''}${event.text}`;
    }
    return isTerminal(event) ? this.end() : '';
  }

  end(): string {
    const isOpen = this.#bubble !== undefined;
    this.#bubble = undefined;
    return isOpen ? '\n' : '';
  }
}

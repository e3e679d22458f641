import type { Db } from '@parley/db/connect';
import type { Owner } from '@parley/db/repository/conversation';
import { findTurn, type TurnRow } from '@parley/db/repository/turn';
import type { Profile } from '@parley/shared/account';
import { newId } from '@parley/shared/id';
import { ParleyError } from '@parley/shared/reason';
import type { TurnPorts } from './ports.ts';
import type { TurnRunner } from './runner.ts';
import { submit } from './send.ts';

/** The profile fields that a greeting asks for, with what each is called in its instruction. */
const asked = {
  nickname: 'nickname (how they would like to be called)',
  birthYear: 'birth year',
  birthPlace: 'birth place',
  grewUpPlace: 'where they grew up',
  occupation: 'occupation',
} satisfies Partial<Record<keyof Profile, string>>;

/** What the agent is told when it speaks first: to ask for what is missing, or to open from what it knows. */
export function greetingInstruction(profile: Profile): string {
  const missing: string[] = [];
  for (const [field, name] of Object.entries(asked)) {
    if (field in profile && profile[field as keyof typeof asked] === null) missing.push(name);
  }
  return missing.length > 0
    ? `The user has just opened a new conversation and has not said anything yet. Greet them warmly and, in one to three short messages, ask for these missing profile fields: ${missing.join('; ')}.`
    : 'The user has just opened a new conversation and has not said anything yet. Open it warmly, from what you know of them, with one question that invites a story.';
}

/** A conversation on which a greeting runs or ran already. */
class AlreadyGreeted extends Error {
  override readonly name = 'AlreadyGreeted';
  readonly turn: TurnRow | undefined;
  constructor(turn: TurnRow | undefined) {
    super('already greeted');
    this.turn = turn;
  }
}

/**
 * On an empty conversation the agent speaks first, once, however often or concurrently it is asked to.
 * Returns the greeting's turn, or undefined when somebody has spoken already. A greeting that failed is tried anew.
 */
export async function greet(
  ports: TurnPorts,
  runner: TurnRunner,
  input: { owner: Owner; conversationId: string; profile: Profile; speak?: boolean | undefined },
): Promise<string | undefined> {
  const turnId = newId();
  try {
    const sent = await submit(ports, runner, {
      owner: input.owner,
      conversationId: input.conversationId,
      turnId,
      input: 'greeting',
      request: {
        parts: [],
        instruction: greetingInstruction(input.profile),
        ...(input.speak !== undefined && { speak: input.speak }),
      },
      message: null,
      retryOf: null,
      onBusy: 'reject',
      check: async (trx, conversation) => {
        const earlier = await previousGreeting(trx, conversation.greeting_turn_id);
        const open = earlier && (earlier.status === 'running' || earlier.status === 'completed');
        if (open || conversation.message_count > 0) throw new AlreadyGreeted(earlier);
        await trx
          .updateTable('conversations')
          .set({ greeting_turn_id: turnId })
          .where('id', '=', conversation.id)
          .execute();
      },
    });
    return sent.turn.id;
  } catch (error) {
    if (error instanceof AlreadyGreeted) return error.turn?.status === 'running' ? error.turn.id : undefined;
    // The user was quicker than the greeting.
    if (error instanceof ParleyError && error.reason === 'TURN_IN_PROGRESS') return undefined;
    throw error;
  }
}

async function previousGreeting(db: Db, id: string | null): Promise<TurnRow | undefined> {
  return id ? await findTurn(db, id) : undefined;
}

import type { Db } from '@parley/db/connect';
import { type MessageRow, previewOf } from '@parley/db/repository/message';
import type { TurnRow } from '@parley/db/repository/turn';
import type { Tracked } from '@parley/shared/event';
import { textOf } from '@parley/shared/message';
import { readLog } from './oracle-log.ts';

/** Everything that one subscriber saw of a conversation, over all its connections. */
export interface Log {
  name: string;
  conversationId: string;
  events: readonly Tracked[];
}

/** What a client knows of a message it sent. */
export interface Send {
  conversationId: string;
  turnId: string;
  text: string;
  /** A server has said, at least once, that it has it. */
  acknowledged: boolean;
}

export interface Story {
  logs: readonly Log[];
  sends: readonly Send[];
  /** What is to be true at the end, when nothing runs any more: every turn has ended, and every log tells of it. Default true. */
  over?: boolean;
}

export interface StoredConversation {
  id: string;
  messageCount: number;
  preview: string | null;
  lastMessageAt: number | null;
  deleted: boolean;
}

/** What the database holds, messages in the order of their times. */
export interface Stored {
  conversations: readonly StoredConversation[];
  turns: readonly TurnRow[];
  messages: readonly MessageRow[];
  /** Turns of which a record of what was delivered is still kept. */
  progress: readonly string[];
}

/** All that the database holds, or all of these conversations. */
export async function readStored(db: Db, conversationIds?: readonly string[]): Promise<Stored> {
  const isWanted = (id: string): boolean => conversationIds?.includes(id) ?? true;
  const rows = await db.selectFrom('conversations').selectAll().execute();
  const turns = await db.selectFrom('turns').selectAll().orderBy('created_at').orderBy('id').execute();
  const messages = await db.selectFrom('messages').selectAll().orderBy('created_at').execute();
  const progress = await db.selectFrom('turn_progress').select('turn_id').execute();
  return {
    conversations: rows
      .filter((row) => isWanted(row.id))
      .map((row) => ({
        id: row.id,
        messageCount: row.message_count,
        preview: row.preview,
        lastMessageAt: row.last_message_at?.getTime() ?? null,
        deleted: row.deleted_at !== null,
      })),
    turns: turns.filter((row) => isWanted(row.conversation_id)),
    messages: messages.filter((row) => isWanted(row.conversation_id)),
    progress: progress.map((row) => row.turn_id),
  };
}

/**
 * Compares what clients were told with what is stored, by the contract's rules on events, turns and messages. Answers what
 * does not hold, one line each: an empty list is a good end.
 */
export function findViolations(story: Story, stored: Stored): string[] {
  const over = story.over ?? true;
  const found: string[] = [];
  for (const send of story.sends) found.push(...checkSend(send, stored));
  for (const turn of stored.turns) found.push(...checkTurn(turn, stored, over));
  for (const conversation of stored.conversations) found.push(...checkConversation(conversation, story, stored, over));
  for (const log of story.logs) found.push(...readLog(log, stored, over).map((line) => `${log.name}: ${line}`));
  return found;
}

function checkSend(send: Send, stored: Stored): string[] {
  const turns = stored.turns.filter((turn) => turn.id === send.turnId);
  const messages = stored.messages.filter((message) => message.turn_id === send.turnId && message.role === 'human');
  const found: string[] = [];
  if (turns.length !== messages.length)
    found.push(`send ${send.turnId}: ${turns.length} turns, ${messages.length} messages`);
  if (send.acknowledged && messages.length !== 1)
    found.push(`send ${send.turnId} was acknowledged and is stored ${messages.length} times`);
  if (messages.length > 1) found.push(`send ${send.turnId} is stored ${messages.length} times`);
  for (const message of messages) {
    if (textOf(message.parts) !== send.text) found.push(`send ${send.turnId} is stored with another text`);
    if (message.conversation_id !== send.conversationId) found.push(`send ${send.turnId} is stored elsewhere`);
  }
  return found;
}

const messageStatuses = { completed: 'complete', interrupted: 'interrupted', failed: 'failed' } as const;

function checkTurn(turn: TurnRow, stored: Stored, over: boolean): string[] {
  const found: string[] = [];
  const say = (line: string) => found.push(`turn ${turn.id}: ${line}`);
  const answers = stored.messages.filter((message) => message.turn_id === turn.id && message.role === 'agent');
  if (turn.status === 'running' || turn.status === 'queued') {
    if (over) say(`is still ${turn.status}`);
    if (answers.length > 0) say('has an answer although it goes on');
    return found;
  }
  if (turn.ended_at === null) say('ended at no time');
  if (over && !turn.announced) say('its end was never announced');
  if (stored.progress.includes(turn.id)) say('its progress is still kept');
  if (answers.length > 1) say(`has ${answers.length} answers`);
  const [answer] = answers;
  if ((answer?.id ?? null) !== turn.agent_message_id) say('names another answer than the one that is stored');
  if (answer && answer.status !== messageStatuses[turn.status]) say(`is ${turn.status}, its answer ${answer.status}`);
  if (turn.status === 'completed' && !answer) say('completed without an answer');
  if ((turn.status === 'failed') !== (turn.code !== null)) say(`is ${turn.status} with code ${turn.code}`);
  return found;
}

function checkConversation(conversation: StoredConversation, story: Story, stored: Stored, over: boolean): string[] {
  const found: string[] = [];
  const say = (line: string) => found.push(`conversation ${conversation.id}: ${line}`);
  const turns = stored.turns.filter((turn) => turn.conversation_id === conversation.id);
  const messages = stored.messages.filter((message) => message.conversation_id === conversation.id);
  const running = turns.filter((turn) => turn.status === 'running');
  if (running.length > 1) say(`${running.length} turns run`);
  if (messages.length !== conversation.messageCount) say(`counts ${conversation.messageCount} of ${messages.length}`);
  const last = messages.at(-1);
  if (last && last.created_at.getTime() > (conversation.lastMessageAt ?? 0))
    say('its last message is older than its last');
  if (over && last && previewOf(last.parts) !== conversation.preview && turns.every((turn) => turn.generation > 0))
    say('previews another message than its last');
  const sent = new Set(story.sends.map((send) => send.turnId));
  for (const [i, message] of messages.entries()) {
    const before = messages[i - 1];
    if (before && before.created_at >= message.created_at)
      say(`times of ${before.id} and ${message.id} do not increase`);
    if (message.role === 'human' && !sent.has(message.turn_id)) say(`message ${message.id} was never sent`);
    const turn = turns.find(({ id }) => id === message.turn_id);
    if (!turn) say(`message ${message.id} is of no turn`);
    else if (over && message.role === 'agent' && turn.retry_of === null && turn.user_message_id !== null) {
      if (before?.id !== turn.user_message_id) say(`answer ${message.id} does not follow what it answers`);
    }
  }
  return found;
}

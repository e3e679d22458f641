import { readFile, stat } from 'node:fs/promises';
import { eventSchema, type Tracked } from '@parley/shared/event';
import { isReason, type Reason } from '@parley/shared/reason';
import type { TurnMedium, TurnStatus } from '@parley/shared/turn';
import { type Speak, speakSchema, type TurnPart, turnMedium, turnPartSchema, turnStatus } from '@parley/shared/turn';
import { isRecord } from '../failure.ts';
import { CommandFailure } from './command.ts';

/** A turn as an export tells of it. */
export interface ExportedTurn {
  id: string;
  input: TurnMedium;
  status: TurnStatus;
  code: Reason | undefined;
  /** The answer as far as it was delivered, what was not heard of it included. */
  text: string;
  parts: TurnPart[];
  /** What went with the input, as it was sent. */
  extras: { pageContext?: unknown; assistantId?: string; model?: string; speak?: Speak };
  retryOf: string | undefined;
  voiceSessionId: string | undefined;
}

export interface ExportedConversation {
  title: string | undefined;
  /** In the order in which they were said. */
  turns: ExportedTurn[];
  /** Those that the server had kept, without sound. */
  events: Tracked[];
  /** Events that this version does not know. */
  unknown: number;
}

/** An export of a long conversation has some megabytes. */
const mostBytes = 256 * 1024 * 1024;

/** What `export` wrote. @throws CommandFailure when it is something else */
export async function readExport(file: string): Promise<ExportedConversation> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) throw new CommandFailure(`there is no file ${file}`);
  if (found.size > mostBytes) throw new CommandFailure(`${file} has more than 256 MB`);
  let whole: unknown;
  try {
    whole = JSON.parse(await readFile(file, 'utf8'));
  } catch {
    throw new CommandFailure(`${file} is no JSON`);
  }
  if (!isRecord(whole) || !isRecord(whole.conversation) || !Array.isArray(whole.turns) || !Array.isArray(whole.events))
    throw new CommandFailure(`${file} is no exported conversation`);
  if (whole.version !== 1)
    throw new CommandFailure(`${file} is an export of version ${String(whole.version)}; this replays version 1`);
  const said = messagesIn(whole.messages);
  const turns = whole.turns.map((turn: unknown, index) => turnIn(turn, index, said, file));
  const events = whole.events.flatMap((event: unknown) => trackedIn(event));
  const { title } = whole.conversation;
  return {
    title: typeof title === 'string' ? title : undefined,
    turns,
    events,
    unknown: whole.events.length - events.length,
  };
}

/** By turn: what a message adds to what its turn says. */
type Said = ReadonlyMap<string, { voiceSessionId?: string; unheard?: string }>;

function messagesIn(messages: unknown): Said {
  const said = new Map<string, { voiceSessionId?: string; unheard?: string }>();
  for (const message of Array.isArray(messages) ? messages : []) {
    if (!isRecord(message) || typeof message.turnId !== 'string') continue;
    const { voiceSessionId, unheard } = message;
    said.set(message.turnId, {
      ...said.get(message.turnId),
      ...(typeof voiceSessionId === 'string' && { voiceSessionId }),
      ...(typeof unheard === 'string' && { unheard }),
    });
  }
  return said;
}

function turnIn(turn: unknown, index: number, said: Said, file: string): ExportedTurn {
  const bad = (what: string): never => {
    throw new CommandFailure(`${file}: turn ${index + 1} has no ${what}`);
  };
  if (!isRecord(turn) || typeof turn.id !== 'string') return bad('id');
  const request = isRecord(turn.request) ? turn.request : bad('request');
  const input = turnMedium.safeParse(turn.input);
  const status = turnStatus.safeParse(turn.status);
  const parts = turnPartSchema.array().safeParse(request.parts);
  const speak = speakSchema.safeParse(request.speak);
  const { voiceSessionId, unheard = '' } = said.get(turn.id) ?? {};
  const text = (typeof turn.text === 'string' ? turn.text : '') + unheard;
  return {
    id: turn.id,
    input: input.success ? input.data : bad('input'),
    status: status.success ? status.data : bad('status'),
    code: isReason(turn.code) ? turn.code : undefined,
    text,
    parts: parts.success ? parts.data : bad('parts'),
    extras: {
      ...('pageContext' in request && { pageContext: request.pageContext }),
      ...(typeof request.assistantId === 'string' && { assistantId: request.assistantId }),
      ...(typeof request.model === 'string' && { model: request.model }),
      ...(speak.success && { speak: speak.data }),
    },
    retryOf: typeof turn.retryOf === 'string' ? turn.retryOf : undefined,
    voiceSessionId,
  };
}

function trackedIn(event: unknown): Tracked[] {
  if (!isRecord(event) || typeof event.id !== 'string') return [];
  const parsed = eventSchema.safeParse(event.data);
  return parsed.success ? [{ id: event.id, data: parsed.data }] : [];
}

import { findAssistant } from '@parley/db/repository/assistant';
import { getConversation, type Owner } from '@parley/db/repository/conversation';
import { inEvent, type MessageRow, toMessage } from '@parley/db/repository/message';
import { listWaitingMessages, type TurnRow } from '@parley/db/repository/turn';
import { findUser, toProfile, type UserRow } from '@parley/db/repository/user';
import { emptyProfile } from '@parley/shared/account';
import type { Event } from '@parley/shared/event';
import { type Locale, localeOf } from '@parley/shared/explain';
import { type MessageInEvent, textOf } from '@parley/shared/message';
import { ModelError } from '../model/port.ts';
import { BubbleSplitter, type Piece } from './bubble.ts';
import type { TurnPorts } from './ports.ts';
import { buildPrompt } from './prompt.ts';
import type { Recorder } from './recorder.ts';
import { reply } from './reply.ts';
import { type Sentence, SentenceSplitter } from './sentence.ts';
import { Speaker } from './speak.ts';
import { Stopped } from './stop.ts';
import type { Timing } from './timing.ts';
import { TurnTrace } from './trace.ts';

/** What an answer needs to know and its turn's acceptance has seen already. */
export interface Seen {
  assistantId: string | null;
  /** The conversation's revision, and the one before the turn's message was stored. */
  revision: number;
  before: number;
  user: Promise<UserRow | undefined>;
}

export interface AnswerOptions {
  seen: Seen | undefined;
  turn: TurnRow;
  /** The user's message; none when the agent speaks first. */
  message: MessageRow | null;
  recorder: Recorder;
  timing: Timing;
  signal: AbortSignal;
  /** Told the speaker of a spoken answer as soon as there is one. */
  onSpeaker: (speaker: Speaker) => void;
  /** Told the user's locale as soon as it is known, for what is said about a failure. */
  onLocale: (locale: Locale) => void;
}

/** Han characters: what a user writes tells more than a locale that was never set. */
const han = /\p{Script=Han}/u;

/**
 * Streams the model's answer to a turn into the recorder, as deltas and as sentences. Returns when the model has finished;
 * whatever it throws, all that the model gave before has been pushed.
 * @throws ModelError, Stopped (the signal's reason), database errors
 */
export async function answer(ports: TurnPorts, options: AnswerOptions): Promise<void> {
  const { turn, message, recorder, timing, signal } = options;
  const spans = traced(ports, options);
  const prompting = spans.start('prompt');
  const owner = { tenant: turn.tenant_id, userId: turn.user_id };
  const seen = options.seen ?? (await look(ports, owner, turn.conversation_id));
  const user = await seen.user;
  const assistantId = turn.request.assistantId ?? seen.assistantId;
  const [assistant, history] = await Promise.all([
    assistantId ? findAssistant(ports.db, turn.tenant_id, assistantId) : undefined,
    ports.history.read(turn.conversation_id, seen.before),
  ]);
  const written = message ? textOf(message.parts) : '';
  const spoken = user?.locale ?? assistant?.language ?? (han.test(written) ? 'zh' : 'en');
  options.onLocale(localeOf(spoken));
  signal.throwIfAborted();

  const speaker = speakerOf(ports, options, assistant?.voice ?? undefined, spoken, spans);
  if (speaker) options.onSpeaker(speaker);
  const voice = new Voice(turn, recorder, timing, assistant?.bubbles ?? 'separator', spoken, speaker);
  if (turn.input === 'greeting' && assistant?.greeting) {
    await voice.say(assistant.greeting);
    voice.end();
    await speaker?.end();
    return;
  }
  // Nothing else was open when a turn was accepted here to run at once.
  const said = options.seen ? history.messages : await withoutWaiting(ports, turn, message, history.messages);
  const before = message
    ? said.filter((other) => other.id !== message.id && !isRetried(turn, message, other.turnId, other.role))
    : said;
  const prompt = buildPrompt({
    assistant: assistant?.system_prompt
      ? { systemPrompt: assistant.system_prompt, language: assistant.language }
      : null,
    profile: user ? toProfile(user) : emptyProfile,
    pageContext: turn.request.pageContext,
    history: message ? [...before, inEvent(toMessage(message))] : before,
    ...(turn.request.instruction !== undefined && { instruction: turn.request.instruction }),
    budget: ports.budget,
    locale: spoken,
    model: turn.request.model ?? assistant?.model ?? ports.model.model,
  });
  prompting.end({
    'parley.prompt.tokens': prompt.tokens,
    'parley.prompt.messages': prompt.messages.length,
    'parley.prompt.dropped': prompt.dropped,
  });
  const answering = spans.start('model', {
    'gen_ai.provider.name': ports.model.name,
    'gen_ai.request.model': turn.request.model ?? assistant?.model ?? ports.model.model,
  });
  const parts = reply(
    ports.model,
    {
      messages: prompt.messages,
      model: turn.request.model ?? assistant?.model ?? undefined,
      temperature: assistant?.temperature ?? undefined,
      locale: spoken,
      purpose: turn.input === 'greeting' ? 'greeting' : 'answer',
    },
    { ...ports.deadlines, onAttempt: () => timing.attempt() },
    signal,
  );
  timing.tokensIn = prompt.tokens;
  try {
    for await (const part of parts) {
      if (part.type === 'text') {
        if (!voice.spoke) answering.event('first delta');
        await voice.say(part.text);
      } else if (part.type === 'usage') {
        timing.tokensIn = part.tokensIn;
        timing.tokensOut = part.tokensOut;
      } else if (part.reason === 'content_filter' || part.reason === 'tool_calls') {
        throw new ModelError('MODEL_INCOMPLETE', { transient: false, message: part.reason });
      }
    }
  } catch (error) {
    answering.end(spans.modelUsed(), error);
    throw error;
  } finally {
    timing.modelEnded();
    answering.end(spans.modelUsed());
    voice.end();
  }
  if (!voice.spoke) throw new ModelError('MODEL_INCOMPLETE', { transient: true, message: 'an empty answer' });
  await speaker?.end();
}

/** The turn's spans, which end at once when the turn is stopped where it is not settled. */
function traced(ports: TurnPorts, { turn, message, timing, signal }: AnswerOptions): TurnTrace {
  const begun = TurnTrace.begin(turn, message, timing, (metrics) => ports.metrics.measured(metrics));
  const onAbort = (): void => {
    const why: unknown = signal.reason;
    if (why instanceof Stopped && (why.kind === 'lost' || why.kind === 'deleted')) begun.abandon(why.kind);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return begun;
}

/** For a turn that this replica did not accept. */
async function look(ports: TurnPorts, owner: Owner, conversationId: string): Promise<Seen> {
  const user = findUser(ports.db, owner.tenant, owner.userId);
  user.catch(() => undefined);
  const conversation = await getConversation(ports.db, owner, conversationId);
  const revision = Number(conversation.revision);
  return { assistantId: conversation.assistant_id, revision, before: revision, user };
}

/** By default what was said is answered aloud and what was written is not. */
function speakerOf(
  ports: TurnPorts,
  { turn, recorder, timing, signal }: AnswerOptions,
  assistantVoice: string | undefined,
  language: string,
  trace: TurnTrace,
): Speaker | undefined {
  const { speak = turn.input === 'voice' } = turn.request;
  if (speak === false || !ports.synthesizer) return undefined;
  const wish = speak === true ? {} : speak;
  return new Speaker({
    synthesizer: ports.synthesizer,
    voice: wish.voice ?? assistantVoice,
    language,
    turn: { conversationId: turn.conversation_id, turnId: turn.id },
    signal,
    push: (events) => recorder.push(events),
    onAudio: () => timing.audio(),
    trace,
    keep: wish.keep ?? false,
  });
}

/**
 * The history without what waits behind this turn. Only a question that nothing answered can be waiting, so that most turns
 * ask the database nothing.
 */
async function withoutWaiting(
  ports: Pick<TurnPorts, 'db'>,
  turn: TurnRow,
  message: MessageRow | null,
  messages: readonly MessageInEvent[],
): Promise<readonly MessageInEvent[]> {
  const answered = new Set<string>();
  let open = false;
  // The newest first: an answer stands behind what it answers.
  for (let i = messages.length - 1; i >= 0 && !open; i--) {
    const other = messages[i];
    if (other?.role === 'agent') answered.add(other.turnId);
    else open = other !== undefined && other.id !== message?.id && !answered.has(other.turnId);
  }
  if (!open) return messages;
  const waiting = new Set(await listWaitingMessages(ports.db, turn.conversation_id));
  return messages.filter(({ id }) => !waiting.has(id));
}

/** The answer that another try replaces is not part of what the model sees. */
function isRetried(turn: TurnRow, message: MessageRow, otherTurn: string, role: string): boolean {
  return turn.retry_of !== null && role === 'agent' && (otherTurn === turn.retry_of || otherTurn === message.turn_id);
}

/** Cuts what the model says into bubbles and sentences and hands them to the recorder. */
class Voice {
  readonly #turn: TurnRow;
  readonly #recorder: Recorder;
  readonly #timing: Timing;
  readonly #bubbles: BubbleSplitter;
  readonly #sentences: SentenceSplitter;
  readonly #speaker: Speaker | undefined;
  spoke = false;

  constructor(
    turn: TurnRow,
    recorder: Recorder,
    timing: Timing,
    mode: 'separator' | 'paragraph' | 'none',
    locale: string,
    speaker: Speaker | undefined,
  ) {
    this.#speaker = speaker;
    this.#turn = turn;
    this.#recorder = recorder;
    this.#timing = timing;
    this.#bubbles = new BubbleSplitter(mode);
    this.#sentences = new SentenceSplitter({ locale });
  }

  /** A promise when the recorder wants its producer to wait. */
  say(text: string): Promise<void> | undefined {
    return this.#push(this.#bubbles.push(text), false);
  }

  end(): void {
    this.#push(this.#bubbles.end(), true);
  }

  #push(pieces: readonly Piece[], ended: boolean): Promise<void> | undefined {
    const base = { conversationId: this.#turn.conversation_id, turnId: this.#turn.id, at: Date.now() };
    const events: Event[] = [];
    const sentences: Sentence[] = [];
    for (const piece of pieces) {
      this.spoke = true;
      this.#timing.delta();
      events.push({ type: 'agent.delta', ...base, text: piece.text, bubble: piece.bubble });
      sentences.push(...this.#sentences.push(piece));
    }
    if (ended) sentences.push(...this.#sentences.end());
    if (sentences.length > 0) this.#timing.sentence();
    for (const sentence of sentences) events.push({ type: 'agent.text', ...base, ...sentence });
    const pushed = events.length > 0 ? this.#recorder.push(events) : undefined;
    // Behind their text, so that no sound comes before it.
    for (const sentence of sentences) this.#speaker?.say(sentence);
    return pushed;
  }
}

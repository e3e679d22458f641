import { findAssistant } from '@parley/db/repository/assistant';
import { getConversation, type Owner } from '@parley/db/repository/conversation';
import { inEvent, type MessageRow, toMessage } from '@parley/db/repository/message';
import type { TurnRow } from '@parley/db/repository/turn';
import { findUser, toProfile, type UserRow } from '@parley/db/repository/user';
import { emptyProfile } from '@parley/shared/account';
import { type Locale, localeOf } from '@parley/shared/explain';
import { textOf } from '@parley/shared/message';
import { ModelError } from '../model/port.ts';
import { isChinese } from './locale.ts';
import { pastOf } from './past.ts';
import type { TurnPorts } from './ports.ts';
import { buildPrompt } from './prompt.ts';
import type { Recorder } from './recorder.ts';
import { reply } from './reply.ts';
import { Speaker } from './speak.ts';
import { Stopped } from './stop.ts';
import type { Timing } from './timing.ts';
import { TurnTrace } from './trace.ts';
import { Utterance } from './utterance.ts';

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
  const spoken = user?.locale ?? assistant?.language ?? (isChinese(written) ? 'zh' : 'en');
  options.onLocale(localeOf(spoken));
  signal.throwIfAborted();

  const speaker = speakerOf(ports, options, assistant?.voice ?? undefined, spoken, spans);
  if (speaker) options.onSpeaker(speaker);
  const utterance = new Utterance(turn, recorder, timing, assistant?.bubbles ?? 'separator', spoken, speaker);
  if (turn.input === 'greeting' && assistant?.greeting) {
    await utterance.say(assistant.greeting);
    utterance.end();
    await speaker?.end();
    return;
  }
  // Nothing else was open when a turn was accepted here to run at once, and nothing has been said since.
  const alone = options.seen !== undefined && history.revision <= seen.revision;
  const before = await pastOf(ports.db, { turn, message, alone }, history.messages);
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
        if (!utterance.spoke) answering.event('first delta');
        await utterance.say(part.text);
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
    utterance.end();
  }
  if (!utterance.spoke) throw new ModelError('MODEL_INCOMPLETE', { transient: true, message: 'an empty answer' });
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

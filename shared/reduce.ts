import type { Event, EventOf, Snapshot, TerminalEvent, Tracked } from './event.ts';
import type { MessageInEvent } from './message.ts';
import {
  type ConversationState,
  initialState,
  type Outcome,
  type RunningTurn,
  type SpokenSentence,
  type ToolCall,
} from './state.ts';

/** How many ended turns and open recordings are remembered. */
const mostOutcomes = 100;
const mostTranscripts = 16;

/** The state after one more event. Events that were reduced before, and older ones, change nothing. */
export function reduce(state: ConversationState, { id, data }: Tracked): ConversationState {
  if (state.lastEventId !== null && id <= state.lastEventId) return state;
  return { ...state, ...change(state, data), lastEventId: id };
}

/** With messages that were loaded, such as an older page. Those that are there already are replaced. */
export function withMessages(state: ConversationState, messages: readonly MessageInEvent[]): ConversationState {
  return { ...state, messages: messages.reduce(upsert, state.messages) };
}

type Change = Partial<ConversationState>;

function change(state: ConversationState, event: Event): Change {
  switch (event.type) {
    case 'turn.started':
      return {
        listening: null,
        turn: {
          ...newTurn(event.turnId),
          input: event.input,
          parts: event.parts,
          ...(event.userMessageId !== undefined && { userMessageId: event.userMessageId }),
        },
      };
    case 'agent.listening':
      return { listening: { voiceSessionId: event.voiceSessionId, text: event.text } };
    case 'transcript.partial':
    case 'transcript.final':
      return heard(state, event);
    case 'agent.delta':
      return inTurn(state, event, (turn) => ({ bubbles: grown(turn.bubbles, event.bubble, event.text) }));
    case 'agent.text':
      return inSentence(state, event, () => ({ text: event.text, bubble: event.bubble }));
    case 'agent.audio':
      return inSentence(state, event, ({ audio }) => ({
        audio: {
          chunks: event.chunk + 1,
          bytes: (audio?.bytes ?? 0) + event.data.length,
          complete: event.last,
        },
      }));
    case 'agent.audioFailed':
      return inSentence(state, event, () => ({ failed: event.reason }));
    case 'agent.attachment': {
      const { type, conversationId, turnId, at, ...attachment } = event;
      return inTurn(state, event, ({ attachments }) => ({ attachments: [...attachments, attachment] }));
    }
    case 'agent.reference': {
      const { type, conversationId, turnId, at, ...reference } = event;
      return inTurn(state, event, () => ({ reference }));
    }
    case 'tool.call':
      return inTool(state, event, {
        arguments: event.arguments,
        ...(event.needsApproval !== undefined && { needsApproval: event.needsApproval }),
      });
    case 'tool.result':
      return inTool(state, event, { result: event.result });
    case 'speech.stop':
      return inTurn(state, event, () => ({ silenced: true }));
    case 'message.saved':
      return saved(state, event.message);
    case 'turn.metrics': {
      const { type, conversationId, turnId, at, ...metrics } = event;
      return inTurn(state, event, () => ({ metrics }));
    }
    case 'turn.completed':
    case 'turn.interrupted':
    case 'turn.failed':
      return ended(state, event);
    case 'call.started':
      return { call: { callId: event.callId, trackId: event.trackId, speaking: false } };
    case 'call.speechStarted':
    case 'call.speechStopped':
      if (state.call?.callId !== event.callId) return {};
      return { call: { ...state.call, speaking: event.type === 'call.speechStarted' } };
    case 'call.stopped':
      return state.call?.callId === event.callId ? { call: null } : {};
    case 'conversation.updated':
      return { conversation: event.conversation, status: event.conversation.status };
    case 'conversation.ended':
      return {
        status: 'ended',
        listening: null,
        conversation: state.conversation && { ...state.conversation, status: 'ended', endedAt: event.at },
      };
    case 'conversation.deleted':
      return { ...initialState(), status: 'deleted' };
    case 'gap':
      return restored(state, event.snapshot);
    default:
      // An event of a later version, unless the compiler says that one of this version is not handled.
      return unknown(event);
  }
}

function unknown(_event: never): Change {
  return {};
}

function newTurn(id: string): RunningTurn {
  return { id, input: null, parts: [], bubbles: [], sentences: [], tools: [], attachments: [], silenced: false };
}

/** Changes the running turn. One whose beginning was not seen begins here; one that has ended stays as it was. */
function inTurn(
  state: ConversationState,
  event: { turnId: string },
  of: (turn: RunningTurn) => Partial<RunningTurn>,
): Change {
  const running = state.turn?.id === event.turnId ? state.turn : undefined;
  if (!running && state.outcomes.some((outcome) => outcome.turnId === event.turnId)) return {};
  const turn = running ?? newTurn(event.turnId);
  return { turn: { ...turn, ...of(turn) } };
}

function inSentence(
  state: ConversationState,
  event: { turnId: string; sentence: number },
  of: (sentence: SpokenSentence) => Partial<SpokenSentence>,
): Change {
  return inTurn(state, event, ({ sentences }) => {
    let at = sentences.length;
    while (at > 0 && (sentences[at - 1]?.sentence ?? 0) >= event.sentence) at--;
    const there = sentences[at];
    const known = there?.sentence === event.sentence;
    const sentence = known ? there : { sentence: event.sentence, text: '', bubble: 0 };
    return { sentences: sentences.toSpliced(at, known ? 1 : 0, { ...sentence, ...of(sentence) }) };
  });
}

function inTool(
  state: ConversationState,
  event: { turnId: string; toolCallId: string; name: string },
  news: Partial<ToolCall>,
): Change {
  return inTurn(state, event, ({ tools }) => {
    const at = tools.findIndex((tool) => tool.toolCallId === event.toolCallId);
    if (at < 0) return { tools: [...tools, { toolCallId: event.toolCallId, name: event.name, ...news }] };
    return { tools: tools.map((tool, i) => (i === at ? { ...tool, ...news } : tool)) };
  });
}

function grown(bubbles: readonly string[], bubble: number, text: string): string[] {
  const longer = [...bubbles];
  while (longer.length <= bubble) longer.push('');
  longer[bubble] += text;
  return longer;
}

function heard(state: ConversationState, event: EventOf<'transcript.partial' | 'transcript.final'>): Change {
  const { voiceSessionId, text, durationMs } = event;
  const transcript = { voiceSessionId, text, durationMs, final: event.type === 'transcript.final' };
  const others = state.transcripts.filter((other) => other.voiceSessionId !== voiceSessionId);
  return { transcripts: [...others, transcript].slice(-mostTranscripts) };
}

/** A stored message takes the place of what was shown before it was stored. */
function saved(state: ConversationState, message: MessageInEvent): Change {
  const messages = upsert(state.messages, message);
  if (message.role === 'agent')
    return state.turn?.id === message.turnId
      ? { messages, turn: { ...state.turn, messageId: message.id } }
      : { messages };
  const { voiceSessionId } = message;
  if (voiceSessionId === undefined) return { messages };
  return {
    messages,
    transcripts: state.transcripts.filter((transcript) => transcript.voiceSessionId !== voiceSessionId),
    listening: state.listening?.voiceSessionId === voiceSessionId ? null : state.listening,
  };
}

/** Ordered by time; messages of the same millisecond as they came. Most come at the end, where looking for them begins. */
function upsert(messages: readonly MessageInEvent[], message: MessageInEvent): readonly MessageInEvent[] {
  const known = messages.findLastIndex((other) => other.id === message.id);
  if (messages[known]?.createdAt === message.createdAt) return messages.with(known, message);
  const others = known < 0 ? messages : messages.toSpliced(known, 1);
  const before = others.findLastIndex((other) => other.createdAt <= message.createdAt);
  return before === others.length - 1 ? [...others, message] : others.toSpliced(before + 1, 0, message);
}

function ended(state: ConversationState, event: TerminalEvent): Change {
  const turn = state.turn?.id === event.turnId ? state.turn : undefined;
  const base = {
    turnId: event.turnId,
    ...(event.messageId !== undefined && { messageId: event.messageId }),
    ...(turn?.metrics && { metrics: turn.metrics }),
  };
  const outcome: Outcome =
    event.type === 'turn.failed'
      ? { ...base, status: 'failed', code: event.code, message: event.message, retryable: event.retryable }
      : { ...base, status: event.type === 'turn.completed' ? 'completed' : 'interrupted' };
  return { outcomes: withOutcome(state.outcomes, outcome), ...(turn && { turn: null }) };
}

function withOutcome(outcomes: readonly Outcome[], outcome: Outcome): readonly Outcome[] {
  const others = outcomes.filter((other) => other.turnId !== outcome.turnId);
  return [...others, outcome].slice(-mostOutcomes);
}

/** The snapshot in place of what it tells; what it does not tell stays while it still holds. */
function restored(state: ConversationState, { conversation, messages, turn }: Snapshot): Change {
  const running = state.turn;
  const same = running && turn?.id === running.id ? running : undefined;
  return {
    conversation,
    status: conversation.status,
    messages: joined(state.messages, messages),
    turn: turn && { ...(same ?? newTurn(turn.id)), bubbles: turn.bubbles },
    outcomes: running && !same ? outcomeOf(running, messages, state.outcomes) : state.outcomes,
    listening: null,
    // Their messages may have been stored in between; the recordings that go on are heard of again.
    transcripts: [],
  };
}

/** Older messages stay when the last ones continue them; else there would be a hole between the two. */
function joined(known: readonly MessageInEvent[], last: readonly MessageInEvent[]): readonly MessageInEvent[] {
  const [first] = last;
  const at = first ? known.findLastIndex((message) => message.id === first.id) : -1;
  return at > 0 ? [...known.slice(0, at), ...last] : last;
}

/** A turn that ended within a gap: its stored answer says how. */
function outcomeOf(
  turn: RunningTurn,
  messages: readonly MessageInEvent[],
  outcomes: readonly Outcome[],
): readonly Outcome[] {
  const answer = messages.findLast((message) => message.turnId === turn.id && message.role === 'agent');
  if (!answer) return outcomes;
  const status = answer.status === 'complete' ? 'completed' : answer.status;
  return withOutcome(outcomes, { turnId: turn.id, messageId: answer.id, status });
}

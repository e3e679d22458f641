import type { Event, EventOf, Snapshot, TerminalEvent, Tracked } from './event.ts';
import type { MessageInEvent } from './message.ts';
import { begun, closed, inSentence, inTool, inTurn, newTurn, runningTurn, runningTurns, textAdded } from './running.ts';
import { type ConversationState, initialState, type Outcome, type RunningTurn } from './state.ts';

/** How many ended turns and open recordings are remembered. */
const mostOutcomes = 100;
const mostTranscripts = 16;

/**
 * The state after one more event. Events that were reduced before, and older ones, change nothing. A gap always counts, and what
 * follows is compared with its id: the log may have begun anew, below where it was.
 */
export function reduce(state: ConversationState, { id, data }: Tracked): ConversationState {
  if (data.type !== 'gap' && state.lastEventId !== null && id <= state.lastEventId) return state;
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
        ...begun(state, {
          ...newTurn(event.turnId),
          input: event.input,
          parts: event.parts,
          ...(event.userMessageId !== undefined && { userMessageId: event.userMessageId }),
        }),
      };
    case 'agent.listening':
      return { listening: { voiceSessionId: event.voiceSessionId, text: event.text } };
    case 'transcript.partial':
    case 'transcript.final':
      return heard(state, event);
    case 'recording.cancelled':
      return withoutRecording(state, event.voiceSessionId);
    case 'agent.delta':
      return inTurn(state, event, (turn) => ({ bubbles: textAdded(turn.bubbles, event.bubble, event.text) }));
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

function heard(state: ConversationState, event: EventOf<'transcript.partial' | 'transcript.final'>): Change {
  const { voiceSessionId, text, durationMs } = event;
  const transcript = { voiceSessionId, text, durationMs, final: event.type === 'transcript.final' };
  const others = state.transcripts.filter((other) => other.voiceSessionId !== voiceSessionId);
  return { transcripts: [...others, transcript].slice(-mostTranscripts) };
}

/** What was told of a recording goes: its message is stored, or none comes of it. */
function withoutRecording({ transcripts, listening }: ConversationState, voiceSessionId: string): Change {
  const isKnown = transcripts.some((transcript) => transcript.voiceSessionId === voiceSessionId);
  return {
    ...(isKnown && { transcripts: transcripts.filter((transcript) => transcript.voiceSessionId !== voiceSessionId) }),
    ...(listening?.voiceSessionId === voiceSessionId && { listening: null }),
  };
}

/** A stored message takes the place of what was shown before it was stored. */
function saved(state: ConversationState, message: MessageInEvent): Change {
  const messages = upsert(state.messages, message);
  if (message.role === 'agent') {
    const isRunning = runningTurn(state, message.turnId) !== undefined;
    return { messages, ...(isRunning && inTurn(state, message, () => ({ messageId: message.id }))) };
  }
  const { voiceSessionId } = message;
  return { messages, ...(voiceSessionId !== undefined && withoutRecording(state, voiceSessionId)) };
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
  const turn = runningTurn(state, event.turnId);
  const base = {
    turnId: event.turnId,
    ...(event.messageId !== undefined && { messageId: event.messageId }),
    ...(turn?.metrics && { metrics: turn.metrics }),
  };
  const recording = event.type === 'turn.failed' ? event.voiceSessionId : undefined;
  const change = closed(state, event.turnId);
  const { turn: running } = { ...state, ...change };
  return {
    ...change,
    outcomes: withOutcome(state.outcomes, { ...base, ...endOf(event, running) }),
    ...(recording !== undefined && withoutRecording(state, recording)),
  };
}

function endOf(event: TerminalEvent, running: RunningTurn | null) {
  if (event.type === 'turn.completed') return { status: 'completed' } as const;
  if (event.type === 'turn.interrupted') return { status: 'interrupted' } as const;
  const { code, message, retryable, voiceSessionId, details } = event;
  return {
    status: 'failed',
    code,
    message,
    retryable,
    ...(voiceSessionId !== undefined && { voiceSessionId }),
    ...(details && { details }),
    ...(running && { beside: running.id }),
  } as const;
}

function withOutcome(outcomes: readonly Outcome[], outcome: Outcome): readonly Outcome[] {
  const others = outcomes.filter((other) => other.turnId !== outcome.turnId);
  return [...others, outcome].slice(-mostOutcomes);
}

/** The snapshot in place of what it tells; what it does not tell stays while it still holds. */
function restored(state: ConversationState, { conversation, messages, turn }: Snapshot): Change {
  const same = turn ? runningTurn(state, turn.id) : undefined;
  const others = runningTurns(state).filter((running) => running !== same);
  return {
    conversation,
    status: conversation.status,
    messages: joined(state.messages, messages),
    turn: turn && { ...(same ?? newTurn(turn.id)), bubbles: turn.bubbles },
    displaced: [],
    outcomes: others.reduce((outcomes, other) => outcomeOf(other, messages, outcomes), state.outcomes),
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

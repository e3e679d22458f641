import type { ConversationInEvent, EventOf } from './event.ts';
import type { MessageInEvent, Reference } from './message.ts';
import type { Reason } from './reason.ts';
import type { Metrics, TurnMedium, TurnPart } from './turn.ts';

export interface SpokenSentence {
  readonly sentence: number;
  /** `''` while only its audio has been seen. */
  readonly text: string;
  readonly bubble: number;
  /** What has come of its audio; `failed` when it will not come. */
  readonly audio?: { readonly chunks: number; readonly bytes: number; readonly complete: boolean };
  readonly failed?: Reason;
}

export interface ToolCall {
  readonly toolCallId: string;
  readonly name: string;
  readonly arguments?: EventOf<'tool.call'>['arguments'];
  readonly needsApproval?: boolean;
  /** Absent while the tool runs or waits for approval. */
  readonly result?: EventOf<'tool.result'>['result'];
}

export type AgentAttachment = Omit<EventOf<'agent.attachment'>, 'type' | 'conversationId' | 'turnId' | 'at'>;

/** The turn that runs now, with its answer so far. */
export interface RunningTurn {
  readonly id: string;
  /** What began it; null when that was not seen. */
  readonly input: TurnMedium | null;
  readonly userMessageId?: string;
  readonly parts: readonly TurnPart[];
  /** The answer, one string a bubble. */
  readonly bubbles: readonly string[];
  /** In order; those before a gap may be absent. */
  readonly sentences: readonly SpokenSentence[];
  readonly tools: readonly ToolCall[];
  readonly attachments: readonly AgentAttachment[];
  readonly reference?: Reference;
  /** Nothing more of it is to be played. */
  readonly silenced: boolean;
  /** The stored answer, from when it is among the messages. */
  readonly messageId?: string;
  readonly metrics?: Metrics;
}

/** How a turn ended. */
export type Outcome = { readonly turnId: string; readonly messageId?: string; readonly metrics?: Metrics } & (
  | { readonly status: 'completed' | 'interrupted' }
  /** Without a code when it ended within a gap. */
  | {
      readonly status: 'failed';
      readonly code?: Reason;
      readonly message?: string;
      readonly retryable?: boolean;
      /** Of a recording that became no message: it is sent again, not the turn tried again. */
      readonly voiceSessionId?: string;
      /** What exactly is wrong, such as the segments that are missing. */
      readonly details?: EventOf<'turn.failed'>['details'];
      /** The turn that ran on when this one had failed. */
      readonly beside?: string;
    }
);
export type FailedOutcome = Extract<Outcome, { status: 'failed' }>;

export interface Transcript {
  readonly voiceSessionId: string;
  readonly text: string;
  readonly durationMs: number;
  readonly final: boolean;
}

/** What a screen shows of a conversation. Immutable; what an event does not touch stays the same object. */
export interface ConversationState {
  readonly status: 'active' | 'ended' | 'deleted';
  readonly conversation: ConversationInEvent | null;
  /** Oldest first. */
  readonly messages: readonly MessageInEvent[];
  readonly turn: RunningTurn | null;
  /**
   * Turns that began before `turn` and have not ended, the newest last. One runs on when a turn that never ran, such as a silent
   * recording, is told of meanwhile; another waits for its end to be told after its owner was lost.
   */
  readonly displaced: readonly RunningTurn[];
  /** Of the last turns, oldest first. */
  readonly outcomes: readonly Outcome[];
  readonly listening: { readonly voiceSessionId: string; readonly text: string } | null;
  /** Recordings whose message is not stored yet, oldest first. */
  readonly transcripts: readonly Transcript[];
  readonly call: { readonly callId: string; readonly trackId: string; readonly speaking: boolean } | null;
  readonly lastEventId: string | null;
}

/** A conversation of which nothing has been seen, or what was loaded of it by other means. */
export function initialState(known: Partial<ConversationState> = {}): ConversationState {
  return {
    status: known.conversation?.status ?? 'active',
    conversation: null,
    messages: [],
    turn: null,
    displaced: [],
    outcomes: [],
    listening: null,
    transcripts: [],
    call: null,
    lastEventId: null,
    ...known,
  };
}

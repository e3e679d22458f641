import { z } from 'zod';
import { attachmentKind, messageInEvent, referenceSchema } from './message.ts';
import { reasons } from './reason.ts';
import { metricsSchema, turnMedium, turnPartSchema } from './turn.ts';

/** Milliseconds since the epoch. */
const time = z.number();
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const base = { conversationId: z.string(), at: time };
const inTurn = { ...base, turnId: z.string() };
const sentence = z.int().min(0);
const bubble = z.int().min(0);

const conversationInEvent = z.object({
  id: z.string(),
  title: z.string().nullable(),
  status: z.enum(['active', 'ended']),
  assistantId: z.string().nullable(),
  context: z.object({ type: z.string(), id: z.string().nullable() }).nullable(),
  metadata: z.record(z.string(), z.json()),
  createdAt: time,
  lastMessageAt: time.nullable(),
  endedAt: time.nullable(),
  messageCount: z.number(),
  preview: z.string().nullable(),
});
export type ConversationInEvent = z.infer<typeof conversationInEvent>;

/** The state that stands in for events which are gone. */
export const snapshotSchema = z.object({
  conversation: conversationInEvent,
  /** The last messages, oldest first. */
  messages: z.array(messageInEvent),
  /** The running turn and its answer up to this event: what follows continues exactly here. */
  turn: z
    .object({ id: z.string(), status: z.literal('running'), text: z.string(), bubbles: z.array(z.string()) })
    .nullable(),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

/** Everything a conversation's log can carry. `id` of the tracked envelope orders and resumes; it is not repeated here. */
export const eventSchema = z.discriminatedUnion('type', [
  /** First event of a turn. A greeting has no user message. */
  z.object({
    type: z.literal('turn.started'),
    ...inTurn,
    userMessageId: z.string().optional(),
    input: turnMedium,
    parts: z.array(turnPartSchema),
    /** Of a recording that became no message. */
    voiceSessionId: z.string().optional(),
  }),
  /** The agent is listening to a recording that goes on. */
  z.object({
    type: z.literal('agent.listening'),
    ...base,
    turnId: z.string().optional(),
    voiceSessionId: z.string(),
    text: z.string(),
  }),
  z.object({
    type: z.literal('transcript.partial'),
    ...base,
    turnId: z.string().optional(),
    text: z.string(),
    voiceSessionId: z.string(),
    durationMs: z.number(),
    segments: z.array(z.int()).optional(),
  }),
  z.object({
    type: z.literal('transcript.final'),
    ...base,
    turnId: z.string().optional(),
    text: z.string(),
    voiceSessionId: z.string(),
    durationMs: z.number(),
    segments: z.array(z.int()).optional(),
  }),
  /** A recording was given up: what was told of it is void, and no turn comes of it. */
  z.object({ type: z.literal('recording.cancelled'), ...base, voiceSessionId: z.string() }),
  /** Raw model text as it comes; concatenated it is the answer. */
  z.object({ type: z.literal('agent.delta'), ...inTurn, text: z.string(), bubble }),
  /** One speakable sentence with its whitespace; concatenated they are the answer. */
  z.object({ type: z.literal('agent.text'), ...inTurn, sentence, text: z.string(), bubble }),
  z.object({
    type: z.literal('agent.audio'),
    ...inTurn,
    sentence,
    chunk: z.int().min(0),
    format: z.string(),
    sampleRate: z.number(),
    data: bytes,
    /** The last chunk of this sentence. */
    last: z.boolean(),
  }),
  /** Speech failed for a sentence; text goes on. */
  z.object({ type: z.literal('agent.audioFailed'), ...inTurn, sentence, reason: z.enum(reasons) }),
  z.object({
    type: z.literal('agent.attachment'),
    ...inTurn,
    id: z.string(),
    filename: z.string(),
    mediaType: z.string(),
    size: z.number(),
    sha256: z.string(),
    url: z.string(),
    kind: attachmentKind,
  }),
  z.object({ type: z.literal('agent.reference'), ...inTurn, ...referenceSchema.shape }),
  z.object({
    type: z.literal('tool.call'),
    ...inTurn,
    toolCallId: z.string(),
    name: z.string(),
    arguments: z.json(),
    needsApproval: z.boolean().optional(),
  }),
  z.object({ type: z.literal('tool.result'), ...inTurn, toolCallId: z.string(), name: z.string(), result: z.json() }),
  /** Stop playing now. */
  z.object({ type: z.literal('speech.stop'), ...inTurn }),
  /** A message is in the database. Its fields lie flat in the event; `message` is the same thing whole, for a store. */
  z.object({ type: z.literal('message.saved'), ...base, ...messageInEvent.shape, message: messageInEvent }),
  z.object({ type: z.literal('turn.metrics'), ...inTurn, ...metricsSchema.shape }),
  z.object({ type: z.literal('turn.completed'), ...inTurn, messageId: z.string().optional() }),
  z.object({ type: z.literal('turn.interrupted'), ...inTurn, messageId: z.string().optional() }),
  z.object({
    type: z.literal('turn.failed'),
    ...inTurn,
    messageId: z.string().optional(),
    code: z.enum(reasons),
    message: z.string(),
    retryable: z.boolean(),
    details: z.record(z.string(), z.json()).optional(),
    /** Of a recording that became no message. */
    voiceSessionId: z.string().optional(),
  }),
  z.object({ type: z.literal('call.started'), ...base, callId: z.string(), trackId: z.string() }),
  z.object({ type: z.literal('call.speechStarted'), ...base, callId: z.string() }),
  z.object({ type: z.literal('call.speechStopped'), ...base, callId: z.string() }),
  z.object({ type: z.literal('call.stopped'), ...base, callId: z.string(), reason: z.string() }),
  z.object({ type: z.literal('conversation.updated'), ...base, conversation: conversationInEvent }),
  z.object({ type: z.literal('conversation.ended'), ...base }),
  z.object({ type: z.literal('conversation.deleted'), ...base }),
  /** Events between the last one seen and the next are gone; the snapshot stands in for them. */
  z.object({ type: z.literal('gap'), ...base, reason: z.string(), snapshot: snapshotSchema }),
]);
export type Event = z.infer<typeof eventSchema>;
export type EventType = Event['type'];
export type EventOf<Type extends EventType> = Extract<Event, { type: Type }>;

/** The events that end a turn: exactly one per turn, and nothing of the turn after it. */
export type TerminalEvent = EventOf<'turn.completed' | 'turn.interrupted' | 'turn.failed'>;

/** An event with its place in the conversation's log. Ids of one conversation sort as text. */
export interface Tracked {
  id: string;
  data: Event;
}

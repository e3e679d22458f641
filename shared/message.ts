import { z } from 'zod';

export const attachmentKind = z.enum(['image', 'audio', 'file', 'video']);
export type AttachmentKind = z.infer<typeof attachmentKind>;

/** One piece of a message: a bubble of text, or an attachment. */
export const messagePartSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('attachment'), attachmentId: z.string(), kind: attachmentKind, filename: z.string() }),
]);
export type MessagePart = z.infer<typeof messagePartSchema>;

/** A card beside an answer that points at what it speaks of. */
export const referenceSchema = z.object({
  title: z.string(),
  summary: z.string(),
  url: z.string().optional(),
  data: z.json().optional(),
});
export type Reference = z.infer<typeof referenceSchema>;

/** What was looked up in memory for an answer, with the messages and segments it came from. */
export const retrievalSchema = z.object({
  query: z.string(),
  items: z.array(
    z.object({
      id: z.string(),
      text: z.string(),
      score: z.number().optional(),
      messageIds: z.array(z.string()),
      segmentIds: z.array(z.string()),
    }),
  ),
});
export type Retrieval = z.infer<typeof retrievalSchema>;

export const messageRole = z.enum(['human', 'agent']);
export const messageKind = z.enum(['text', 'audio']);
export const messageStatus = z.enum(['complete', 'interrupted', 'failed']);
export type MessageRole = z.infer<typeof messageRole>;
export type MessageKind = z.infer<typeof messageKind>;
export type MessageStatus = z.infer<typeof messageStatus>;

const messageShape = {
  id: z.string(),
  conversationId: z.string(),
  turnId: z.string(),
  role: messageRole,
  kind: messageKind,
  status: messageStatus,
  parts: z.array(messagePartSchema),
  /** The end of an interrupted answer that the listener never heard; never in a prompt. */
  unheard: z.string().optional(),
  reference: referenceSchema.optional(),
  voiceSessionId: z.string().optional(),
  durationMs: z.number().optional(),
  segmentIds: z.array(z.string()).optional(),
  speechAttachmentId: z.string().optional(),
  retrieval: retrievalSchema.optional(),
};

/** A stored message as events carry it: its time is milliseconds since the epoch. */
export const messageInEvent = z.object({ ...messageShape, createdAt: z.number() });
export type MessageInEvent = z.infer<typeof messageInEvent>;

/** A stored message as procedures return it. */
export type Message = Omit<MessageInEvent, 'createdAt'> & { createdAt: Date };

/** The text of a message: its bubbles, one after the other. */
export function textOf(parts: readonly MessagePart[]): string {
  let text = '';
  for (const part of parts) if (part.type === 'text') text += part.text;
  return text;
}

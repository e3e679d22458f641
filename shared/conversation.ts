import { z } from 'zod';
import { idSchema } from './id-schema.ts';
import { limits } from './limits.ts';
import { pageInput } from './page.ts';

const text = (most: number) => z.string().trim().max(most);

/** What a conversation is about in the host application, for `conversations.forContext`. */
export const contextSchema = z.object({
  type: text(100).min(1),
  /** `''` is no id. */
  id: text(200)
    .nullish()
    .transform((id) => id || null),
});

export interface ConversationContext {
  type: string;
  id: string | null;
}

export const metadataSchema = z
  .record(z.string().max(100), z.json())
  .refine((value) => JSON.stringify(value).length <= limits.metadataBytes, { error: 'metadata is too large' });

export type Metadata = z.infer<typeof metadataSchema>;

/** A conversation with its times as `Time`: `Date` in procedures, milliseconds in events. */
export interface ConversationOf<Time> {
  id: string;
  title: string | null;
  status: 'active' | 'ended';
  assistantId: string | null;
  context: ConversationContext | null;
  metadata: Metadata;
  createdAt: Time;
  /** When the last message was stored; only ever moves forward. */
  lastMessageAt: Time | null;
  endedAt: Time | null;
  messageCount: number;
  /** The beginning of the last message, for lists. */
  preview: string | null;
}
export type Conversation = ConversationOf<Date>;

export const createConversationInput = z.object({
  id: idSchema.optional(),
  title: text(limits.titleCharacters).nullish(),
  assistantId: idSchema.nullish(),
  context: contextSchema.nullish(),
  metadata: metadataSchema.optional(),
});

export const forContextInput = z.object({
  contextType: text(100).min(1),
  contextId: text(200)
    .nullish()
    .transform((id) => id || null),
});

export const listConversationsInput = pageInput(20).extend({
  status: z.enum(['active', 'ended']).optional(),
  contextType: text(100).min(1).optional(),
  search: text(200).optional(),
});

export const conversationInput = z.object({ conversationId: idSchema });

export const listMessagesInput = pageInput(50).extend({
  conversationId: idSchema,
  order: z.enum(['asc', 'desc']).default('asc'),
});

export const openConversationInput = conversationInput.extend({ speak: z.boolean().optional() });

export const renameConversationInput = conversationInput.extend({ title: text(limits.titleCharacters).min(1) });

export const eventsInput = conversationInput.extend({ lastEventId: z.string().max(200).nullish() });

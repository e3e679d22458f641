import { z } from 'zod';
import { idSchema } from './id-schema.ts';
import { limits } from './limits.ts';
import type { Message } from './message.ts';
import type { Reason } from './reason.ts';

/** One piece of what a user says. */
export const turnPartSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string().trim().max(limits.turnCharacters) }),
  z.object({ type: z.literal('attachment'), attachmentId: idSchema }),
]);
export type TurnPart = z.infer<typeof turnPartSchema>;

/** Trimmed; empty texts dropped; at least one part left; 32,000 characters at most in all. */
export const turnPartsSchema = z
  .array(turnPartSchema)
  .min(1)
  .max(64)
  .transform((parts) => parts.filter((part) => part.type !== 'text' || part.text !== ''))
  .refine((parts) => parts.length > 0, { error: 'no content' })
  .refine(
    (parts) =>
      parts.reduce((sum, part) => sum + (part.type === 'text' ? part.text.length : 0), 0) <= limits.turnCharacters,
    { error: `more than ${limits.turnCharacters} characters` },
  );

/** Whether an answer is spoken, by which voice, and whether its audio is kept. */
export const speakSchema = z.union([
  z.boolean(),
  z.object({ voice: z.string().trim().min(1).max(100).optional(), keep: z.boolean().optional() }),
]);
export type Speak = z.infer<typeof speakSchema>;

/** What a send does while another turn of the conversation runs. */
export const onBusySchema = z.enum(['reject', 'interrupt', 'queue']);
export type OnBusy = z.infer<typeof onBusySchema>;

export const sendTurnInput = z.object({
  conversationId: idSchema,
  turnId: idSchema.optional(),
  parts: turnPartsSchema,
  /** Where the user is in the host application; goes into the prompt. Plain JSON or text. */
  pageContext: z
    .json()
    .optional()
    .refine((value) => value === undefined || JSON.stringify(value).length <= limits.metadataBytes, {
      error: 'pageContext is too large',
    }),
  assistantId: idSchema.optional(),
  model: z.string().trim().min(1).max(100).optional(),
  speak: speakSchema.optional(),
  onBusy: onBusySchema.default('reject'),
});
export type SendTurnInput = z.infer<typeof sendTurnInput>;

export interface SentTurn {
  turnId: string;
  userMessageId: string;
  createdAt: Date;
  /** True when this id had been accepted before: nothing was done again. */
  duplicate: boolean;
}

export const heardSchema = z.object({ sentence: z.int().min(0), playedMs: z.number().min(0) });
export type Heard = z.infer<typeof heardSchema>;

export const interruptTurnInput = z.object({
  conversationId: idSchema,
  turnId: idSchema.optional(),
  heard: heardSchema.optional(),
});

export const turnInput = z.object({ turnId: idSchema });

/** `retryId`: the new turn's id. With one, the same call again is the same retry. */
export const retryTurnInput = turnInput.extend({ retryId: idSchema.optional() });
export type RetryTurnInput = z.infer<typeof retryTurnInput>;

export const turnStatus = z.enum(['queued', 'running', 'completed', 'interrupted', 'failed']);
export type TurnStatus = z.infer<typeof turnStatus>;

export const turnMedium = z.enum(['text', 'voice', 'greeting', 'call']);
export type TurnMedium = z.infer<typeof turnMedium>;

/** Milliseconds are counted from the turn's acceptance. What did not happen in the turn is absent. */
export const metricsSchema = z.object({
  sttMs: z.number().optional(),
  firstDeltaMs: z.number().optional(),
  firstSentenceMs: z.number().optional(),
  firstAudioMs: z.number().optional(),
  llmMs: z.number().optional(),
  ttsMs: z.number().optional(),
  totalMs: z.number(),
  tokensIn: z.number().optional(),
  tokensOut: z.number().optional(),
  audioSeconds: z.number().optional(),
  ttsCharacters: z.number().optional(),
  /** How often the model was asked. */
  attempts: z.number().optional(),
  llm: z.string().optional(),
  stt: z.string().optional(),
  tts: z.string().optional(),
});
export type Metrics = z.infer<typeof metricsSchema>;

export interface Turn {
  id: string;
  conversationId: string;
  status: TurnStatus;
  /** Why it failed. */
  code?: Reason;
  /** The answer so far, or the whole answer. */
  text: string;
  metrics?: Metrics;
  /** The turn that this one is another try of. */
  retryOf?: string;
}

/** What `turns.ask` answers with. A failed turn's reply says so in the user's language. */
export interface Answer {
  userMessage: Message;
  reply: Message;
  turn: Turn;
}

import { z } from 'zod';
import { fromBase64 } from './bytes.ts';
import { idSchema } from './id-schema.ts';
import { limits } from './limits.ts';
import { onBusySchema, speakSchema } from './turn.ts';

/** How sound is packed. `pcm_s16le` is bare samples and needs a sample rate. */
export const audioFormats = ['pcm_s16le', 'wav', 'mp3', 'm4a', 'aac', 'ogg', 'webm', 'flac'] as const;
export const audioFormat = z.enum(audioFormats);
export type AudioFormat = z.infer<typeof audioFormat>;

/** Bytes, or base64 text as JSON transports carry it. Never empty. */
export const bytesInput = (most: number) =>
  z
    .union([
      z.custom<Uint8Array>((value) => value instanceof Uint8Array),
      z.string().max(Math.ceil((most * 4) / 3) + 8),
    ])
    .transform((value, context) => {
      const bytes = typeof value === 'string' ? fromBase64(value) : value;
      if (!bytes) context.addIssue({ code: 'custom', message: 'not base64' });
      else if (bytes.length === 0) context.addIssue({ code: 'custom', message: 'empty' });
      else return bytes;
      return z.NEVER;
    });

const recording = {
  format: audioFormat,
  /** Samples per second; required for `pcm_s16le`. */
  sampleRate: z.int().min(8_000).max(192_000).optional(),
  durationMs: z.number().positive().optional(),
  /** More than `segmentBytes` is `PAYLOAD_TOO_LARGE`, which only its decoder says. */
  data: bytesInput(limits.audioMessageBytes),
};

const name = z.string().trim().min(1).max(200);
const index = z.int().min(0).max(limits.segmentIndex);

/** `<voiceSessionId>:<index>` or `<voiceSessionId>_<index>`, from clients that know nothing else. */
const clientSegment = /^(.+)[:_](\d{1,3})$/s;

export const recordingStartedInput = z.object({ conversationId: idSchema, voiceSessionId: name });

export const cancelRecordingInput = z.object({ conversationId: idSchema, voiceSessionId: name });

export interface CancelledRecording {
  /** False when its turn had begun already, which goes on. */
  cancelled: boolean;
  turnId?: string;
}

export const sendSegmentInput = z
  .object({
    conversationId: idSchema,
    voiceSessionId: name.optional(),
    index: index.optional(),
    clientSegmentId: z.string().trim().min(1).max(210).optional(),
    isLast: z.boolean().default(false),
    /** How the recording is answered; what its last segment says holds. Aloud by default. */
    speak: speakSchema.optional(),
    ...recording,
  })
  .transform(({ clientSegmentId, ...input }, context) => {
    const [, session, number] = clientSegment.exec(clientSegmentId ?? '') ?? [];
    const voiceSessionId = input.voiceSessionId ?? session?.trim();
    const place = input.index ?? (number === undefined ? undefined : Number(number));
    if (!voiceSessionId) context.addIssue({ code: 'custom', path: ['voiceSessionId'], message: 'required' });
    else if (place === undefined) context.addIssue({ code: 'custom', path: ['index'], message: 'required' });
    else if (input.format === 'pcm_s16le' && input.sampleRate === undefined)
      context.addIssue({ code: 'custom', path: ['sampleRate'], message: 'required for pcm_s16le' });
    else return { ...input, voiceSessionId, index: place };
    return z.NEVER;
  });
export type SendSegmentInput = z.infer<typeof sendSegmentInput>;

export interface SegmentReceipt {
  status: 'accepted' | 'duplicate';
  /** Indexes up to the highest known one that have not come. */
  missing: number[];
  /** The turn that the recording becomes. */
  turnId?: string;
}

export const sendVoiceMessageInput = z.object({
  conversationId: idSchema,
  turnId: idSchema.optional(),
  ...recording,
  speak: speakSchema.optional(),
  onBusy: onBusySchema.default('reject'),
});
export type SendVoiceMessageInput = z.infer<typeof sendVoiceMessageInput>;

export const transcribeInput = z.object({
  ...recording,
  /** BCP 47. */
  language: z.string().trim().max(35).optional(),
});

export const stopSpeakingInput = z.object({ conversationId: idSchema });

export const reportPlaybackInput = z.object({
  turnId: idSchema,
  sentence: z.int().min(0),
  playedMs: z.number().min(0),
});

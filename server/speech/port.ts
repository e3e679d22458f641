import type { Reason } from '@parley/shared/reason';

/** Sound as the speech parts work on it: mono samples from -1 to 1. */
export interface Sound {
  samples: Float32Array;
  /** Per second. */
  sampleRate: number;
}

export type SpeechReason = Extract<Reason, 'STT_UNAVAILABLE' | 'TTS_UNAVAILABLE' | 'TRANSCRIPTION_FAILED'>;

/** What went wrong with a speech service. */
export class SpeechError extends Error {
  override readonly name = 'SpeechError';
  readonly reason: SpeechReason;
  /** Whether the same request could succeed when it is made again. */
  readonly transient: boolean;
  /** The service is not there, or has not answered in time: others who ask now wait as long for nothing. */
  readonly unanswered: boolean;
  constructor(
    reason: SpeechReason,
    options: { transient: boolean; unanswered?: boolean; cause?: unknown; message?: string },
  ) {
    super(options.message ?? reason, { cause: options.cause });
    this.reason = reason;
    this.transient = options.transient;
    this.unanswered = options.unanswered ?? false;
  }
}

export type TranscriptPart =
  /** What has been understood so far; replaces the partial before it. */
  | { type: 'partial'; text: string }
  /** The last part, always. Empty when there was nothing to understand. */
  | { type: 'final'; text: string };

/** A part that has something to load before it can work. */
export interface Warm {
  /**
   * Loads it ahead of the first use. None where there is nothing to load. Throws SpeechError when that fails; the first use
   * then tries again.
   */
  warm?(signal: AbortSignal): Promise<void>;
}

/**
 * Speech to text. `sound` is at 16 kHz. Partials where the service streams, then `final`. Throws SpeechError; when `signal`
 * aborts it stops the request at once and throws the signal's reason.
 */
export interface Transcriber extends Warm {
  readonly name: string;
  readonly model: string;
  readonly description?: string;
  transcribe(
    sound: Sound,
    options: { language?: string | undefined },
    signal: AbortSignal,
  ): AsyncGenerator<TranscriptPart, void>;
  close(): Promise<void>;
}

/**
 * Text to speech. Yields the sound of one sentence as little-endian 16-bit mono PCM at `sampleRate`, in pieces as they come,
 * each an even number of bytes. Throws SpeechError; when `signal` aborts it stops at once and throws the signal's reason.
 */
export interface Synthesizer extends Warm {
  readonly name: string;
  readonly model: string;
  readonly description?: string;
  readonly sampleRate: number;
  synthesize(
    text: string,
    options: { voice?: string | undefined; language?: string | undefined },
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void>;
  close(): Promise<void>;
}

/** Voice activity detection on sound at 16 kHz: the stretches of speech, in seconds, in order. */
export interface VoiceActivity extends Warm {
  readonly name: string;
  readonly model: string;
  detect(sound: Sound, signal: AbortSignal): Promise<{ from: number; to: number }[]>;
  close(): Promise<void>;
}

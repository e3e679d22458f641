import { ParleyError } from '@parley/shared/reason';
import type { AudioFormat } from '@parley/shared/voice';
import { sniffContainer } from './audio/container.ts';
import type { DecodeAnswer, DecodeJob } from './audio/thread.ts';
import type { Sound } from './port.ts';
import { ThreadError, Threads } from './threads.ts';

export interface AudioSource {
  format: AudioFormat;
  /** Per second; only `pcm_s16le` needs it, the others say it themselves. */
  sampleRate?: number | undefined;
}

export interface DecodeBounds {
  maxSeconds: number;
  maxBytes: number;
}

/**
 * What can be told of audio without decoding it; for a check before it is stored.
 * @throws ParleyError `INVALID_INPUT` when it is empty, or raw without a rate from 4,000 to 384,000; `PAYLOAD_TOO_LARGE`
 * over `maxBytes`; `UNSUPPORTED_FORMAT` when the bytes are not in the container that is named, be they in another or no
 * audio at all
 */
export function checkAudio(data: Uint8Array, { format, sampleRate }: AudioSource, bounds: { maxBytes: number }): void {
  if (data.length === 0) throw new ParleyError('INVALID_INPUT', { message: 'the audio is empty' });
  if (data.length > bounds.maxBytes) {
    throw new ParleyError('PAYLOAD_TOO_LARGE', { message: 'the audio is too large', details: { ...bounds } });
  }
  if (format === 'pcm_s16le') {
    if (sampleRate === undefined || !Number.isInteger(sampleRate) || sampleRate < 4_000 || sampleRate > 384_000) {
      throw new ParleyError('INVALID_INPUT', { message: 'pcm_s16le needs a sampleRate from 4000 to 384000' });
    }
    return;
  }
  const found = sniffContainer(data);
  if (found !== format) {
    const details = found === undefined ? { format } : { format, found };
    throw new ParleyError('UNSUPPORTED_FORMAT', { message: `the audio is not ${format}`, details });
  }
}

export interface Decoder {
  /**
   * The sound of a file or of raw samples, mono at 16 kHz, as long as it really is, whatever it declares. The work is
   * done in a thread, within the bounds; when `signal` aborts it stops and throws the signal's reason.
   * @throws ParleyError as `checkAudio`; `PAYLOAD_TOO_LARGE` for more than `maxSeconds`, declared or real;
   * `TRANSCRIPTION_FAILED` for what is damaged, cut off or in an encoding that is not known; `UNAVAILABLE` when too many
   * wait
   */
  decode(data: Uint8Array, source: AudioSource, bounds: DecodeBounds, signal?: AbortSignal): Promise<Sound>;
  close(): Promise<void>;
}

export function makeDecoder({ threads: size = 2, waiting = 64, jobMs = 20_000 } = {}): Decoder {
  const threads = new Threads<DecodeJob, DecodeAnswer>({
    module: new URL('./audio/thread.ts', import.meta.url),
    name: 'audio decoder',
    size,
    waiting,
    jobMs,
    heapMb: 192,
  });
  return {
    async decode(data, source, bounds, signal = new AbortController().signal) {
      checkAudio(data, source, bounds);
      const { format, sampleRate = 0 } = source;
      const container = format === 'pcm_s16le' ? { pcmRate: sampleRate } : format;
      const { maxSeconds } = bounds;
      // A view is sent to a thread with all of its buffer.
      const bytes = data.byteLength === data.buffer.byteLength ? data : new Uint8Array(data);
      const answer = await threads.run({ data: bytes, container, maxSeconds }, signal).catch((error: unknown) => {
        throw error instanceof ThreadError ? refusalOf(error) : error;
      });
      if ('samples' in answer) return { samples: answer.samples, sampleRate: 16_000 };
      if (answer.refusal === 'damaged') throw new ParleyError('TRANSCRIPTION_FAILED', { message: answer.message });
      throw new ParleyError('PAYLOAD_TOO_LARGE', { message: answer.message, details: { maxSeconds } });
    },
    close: () => threads.close(),
  };
}

/** A thread that hangs or dies does so of the bytes it was given; a full queue says nothing of them. */
function refusalOf(error: ThreadError): ParleyError {
  const isOverload = error.fault === 'busy' || error.fault === 'closed';
  return new ParleyError(isOverload ? 'UNAVAILABLE' : 'TRANSCRIPTION_FAILED', {
    cause: error,
    message: error.message,
  });
}

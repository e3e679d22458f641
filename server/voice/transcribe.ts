import { ParleyError } from '@parley/shared/reason';
import { storable } from '@parley/shared/storable';
import { type Sound, SpeechError } from '../speech/port.ts';
import type { VoicePorts } from './ports.ts';

export interface Transcript {
  /** Empty when nobody spoke. */
  text: string;
  sttMs: number;
}

export interface TranscribeOptions {
  language?: string | undefined;
  onPartial?: (text: string) => void;
  /** Asked right before a service hears anything; what it throws keeps the sound from it. */
  permit?: () => Promise<unknown>;
  /** Of this sound, under way already. */
  trimming?: Promise<Sound | undefined> | undefined;
}

/**
 * What is said in a sound.
 * @throws ParleyError TRANSCRIPTION_FAILED, STT_UNAVAILABLE; what `permit` throws; the signal's reason
 */
export async function transcribe(
  ports: Pick<VoicePorts, 'transcriber' | 'trim'>,
  sound: Sound,
  options: TranscribeOptions,
  signal: AbortSignal,
): Promise<Transcript> {
  const from = performance.now();
  const refuse = (error: unknown): never => {
    signal.throwIfAborted();
    if (error instanceof ParleyError) throw error;
    const reason = error instanceof SpeechError ? error.reason : 'TRANSCRIPTION_FAILED';
    throw new ParleyError(reason, { cause: error });
  };
  const speech = await (options.trimming ?? ports.trim(sound, signal)).catch(refuse);
  signal.throwIfAborted();
  let text = '';
  if (speech) {
    await options.permit?.();
    try {
      for await (const part of ports.transcriber.transcribe(speech, { language: options.language }, signal)) {
        const said = storable(part.text).trim();
        if (part.type === 'final') text = said;
        else if (said !== '') options.onPartial?.(said);
      }
    } catch (error) {
      refuse(error);
    }
  }
  return { text, sttMs: performance.now() - from };
}

/** How long a sound is, in whole milliseconds. */
export function millisecondsOf(sound: Sound): number {
  return Math.max(1, Math.round((sound.samples.length / sound.sampleRate) * 1000));
}

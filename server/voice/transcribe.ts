import { ParleyError } from '@parley/shared/reason';
import { storable } from '@parley/shared/storable';
import { type Sound, SpeechError } from '../speech/port.ts';
import type { VoicePorts } from './ports.ts';

export interface Transcript {
  /** Empty when nobody spoke. */
  text: string;
  sttMs: number;
}

/**
 * What is said in a sound. `trimming`: of this sound, under way already.
 * @throws ParleyError TRANSCRIPTION_FAILED, STT_UNAVAILABLE; the signal's reason
 */
export async function transcribe(
  ports: Pick<VoicePorts, 'transcriber' | 'trim'>,
  sound: Sound,
  options: { language?: string | undefined; onPartial?: (text: string) => void },
  signal: AbortSignal,
  trimming?: Promise<Sound | undefined>,
): Promise<Transcript> {
  const from = performance.now();
  try {
    const speech = await (trimming ?? ports.trim(sound, signal));
    let text = '';
    if (speech) {
      for await (const part of ports.transcriber.transcribe(speech, { language: options.language }, signal)) {
        const said = storable(part.text).trim();
        if (part.type === 'final') text = said;
        else if (said !== '') options.onPartial?.(said);
      }
    }
    return { text, sttMs: performance.now() - from };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ParleyError) throw error;
    const reason = error instanceof SpeechError ? error.reason : 'TRANSCRIPTION_FAILED';
    throw new ParleyError(reason, { cause: error });
  }
}

/** How long a sound is, in whole milliseconds. */
export function millisecondsOf(sound: Sound): number {
  return Math.max(1, Math.round((sound.samples.length / sound.sampleRate) * 1000));
}

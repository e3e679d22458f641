import { SpeechError, type Synthesizer } from '../port.ts';
import { Threads } from '../threads.ts';
import { localFailure } from './failure.ts';
import type { FliteAnswer, FliteJob } from './flite.ts';
import { pronounceable } from './pronounceable.ts';

/** Flite's voices at 16 kHz. */
const voices: ReadonlySet<string> = new Set(['slt', 'awb', 'rms', 'kal16']);
const standardVoice = 'slt';

export interface LocalSynthesizer extends Synthesizer {
  warm(signal: AbortSignal): Promise<void>;
}

/**
 * Flite in a worker thread, at 16 kHz. English only: a text in another script is `TTS_UNAVAILABLE`. A voice that it does
 * not have, such as another service's, is its own standard one.
 */
export function localSynthesizer({
  voice: configured,
  waiting = 64,
  jobMs = 30_000,
}: LocalSynthesizerOptions = {}): LocalSynthesizer {
  const threads = new Threads<FliteJob, FliteAnswer>({
    module: new URL('./flite.ts', import.meta.url),
    name: 'speech synthesis',
    size: 1,
    waiting,
    jobMs,
    heapMb: 128,
  });
  const say = async (text: string, voice: string | undefined, signal: AbortSignal): Promise<FliteAnswer> => {
    const known = [voice, configured].find((name) => name !== undefined && voices.has(name)) ?? standardVoice;
    try {
      return await threads.run({ text, voice: known }, signal);
    } catch (error) {
      throw localFailure(error, 'TTS_UNAVAILABLE');
    }
  };
  return {
    name: 'local',
    model: 'flite',
    description: 'Flite, on this machine. It speaks English only.',
    sampleRate: 16_000,
    async *synthesize(text, { voice }, signal) {
      signal.throwIfAborted();
      const pieces = pronounceable(text);
      if (pieces === undefined) {
        throw new SpeechError('TTS_UNAVAILABLE', { transient: false, message: 'the local voice speaks English only' });
      }
      for (const piece of pieces) yield await say(piece, voice, signal);
    },
    async warm(signal) {
      await say('a', undefined, signal);
    },
    close: () => threads.close(),
  };
}

export interface LocalSynthesizerOptions {
  /** One of slt (the standard), awb, rms, kal16. */
  voice?: string | undefined;
  waiting?: number;
  jobMs?: number;
}

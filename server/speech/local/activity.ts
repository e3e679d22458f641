import type { VoiceActivity } from '../port.ts';
import { Threads } from '../threads.ts';
import { localFailure } from './failure.ts';
import type { SileroAnswer, SileroJob } from './silero.ts';
import { findSpeech } from './stretch.ts';

export interface LocalVoiceActivity extends VoiceActivity {
  warm(signal: AbortSignal): Promise<void>;
}

/** Silero VAD in a worker thread. Throws SpeechError `STT_UNAVAILABLE` when it cannot listen. */
export function localVoiceActivity({ waiting = 64, jobMs = 60_000 } = {}): LocalVoiceActivity {
  const threads = new Threads<SileroJob, SileroAnswer>({
    module: new URL('./silero.ts', import.meta.url),
    name: 'voice activity detection',
    size: 1,
    waiting,
    jobMs,
    heapMb: 128,
  });
  const listen = async (samples: Float32Array, signal: AbortSignal): Promise<SileroAnswer> => {
    try {
      return await threads.run(samples, signal);
    } catch (error) {
      throw localFailure(error, 'STT_UNAVAILABLE');
    }
  };
  return {
    name: 'local',
    model: 'silero-vad-v5',
    async detect({ samples }, signal) {
      // A view is sent to a thread with all of its buffer.
      const whole = samples.byteLength === samples.buffer.byteLength ? samples : samples.slice();
      return findSpeech(await listen(whole, signal));
    },
    async warm(signal) {
      await listen(new Float32Array(0), signal);
    },
    close: () => threads.close(),
  };
}

import type { Transcriber } from '../port.ts';
import { Threads } from '../threads.ts';
import { localFailure } from './failure.ts';
import type { MoonshineAnswer, MoonshineJob } from './moonshine.ts';
import { cutWindows } from './window.ts';

export interface LocalTranscriber extends Transcriber {
  warm(signal: AbortSignal): Promise<void>;
}

/**
 * Moonshine-tiny in a worker thread. English only: other languages come out as English words that were never said. Sound
 * of more than 20 s is cut where it is quietest and gives a partial after each piece.
 */
export function localTranscriber({ waiting = 32, jobMs = 60_000 } = {}): LocalTranscriber {
  const threads = new Threads<MoonshineJob, MoonshineAnswer>({
    module: new URL('./moonshine.ts', import.meta.url),
    name: 'speech recognition',
    size: 1,
    waiting,
    jobMs,
    heapMb: 256,
  });
  const understand = async (samples: Float32Array, signal: AbortSignal): Promise<string> => {
    try {
      // A view is sent to a thread with all of its buffer.
      return await threads.run(samples.slice(), signal);
    } catch (error) {
      throw localFailure(error, 'STT_UNAVAILABLE');
    }
  };
  return {
    name: 'local',
    model: 'moonshine-tiny',
    description: 'Moonshine-tiny, on this machine. It understands English only.',
    async *transcribe(sound, _options, signal) {
      signal.throwIfAborted();
      const windows = cutWindows(sound);
      let text = '';
      for (const [index, window] of windows.entries()) {
        const heard = await understand(window, signal);
        text = [text, heard].filter((part) => part !== '').join(' ');
        if (index < windows.length - 1 && heard !== '') yield { type: 'partial', text };
      }
      yield { type: 'final', text };
    },
    async warm(signal) {
      await understand(new Float32Array(0), signal);
    },
    close: () => threads.close(),
  };
}

import { type PcmSource, pcmSource } from '@parley/client/recorder/source';
import { AudioModule, requestRecordingPermissionsAsync, setAudioModeAsync } from 'expo-audio';

/** Thrown by `start` when the person does not want to be recorded. */
export class MicrophoneRefused extends Error {
  override readonly name = 'MicrophoneRefused';
}

const recording = { allowsRecording: true, playsInSilentMode: true };
/** Without this an iPhone goes on to play through the earpiece. */
const playing = { allowsRecording: false, playsInSilentMode: true };

/**
 * The phone's microphone as samples, so that a recording is cut at pauses and sent while it goes on. It is asked for, and
 * opened, when a recording begins, and closed when it ends. Its `meter` says how loud it is.
 */
export function microphoneSource({ sampleRate = 16_000 }: { sampleRate?: number } = {}): PcmSource {
  const pcm = pcmSource({ sampleRate });
  let close: (() => void) | undefined;
  /** Counts the recordings: one may be over before its microphone is there. */
  let run = 0;
  return {
    ...pcm,
    async start(onChunk, options) {
      const own = ++run;
      const { granted } = await requestRecordingPermissionsAsync();
      if (!granted) throw new MicrophoneRefused('The microphone may not be used.');
      if (own !== run) return;
      await setAudioModeAsync(recording);
      if (own !== run) {
        await setAudioModeAsync(playing);
        return;
      }
      const stream = new AudioModule.AudioStream({ sampleRate, channels: 1, encoding: 'int16' });
      const buffers = stream.addListener('audioStreamBuffer', ({ data, sampleRate: actual, channels }) => {
        pcm.push(resampled(firstChannel(new Int16Array(data), channels), actual, sampleRate));
      });
      let isOpen = false;
      const states = stream.addListener('audioStreamStatus', ({ isStreaming }) => {
        // A call came in, or another app took the microphone.
        if (isOpen && !isStreaming && own === run) options.onEnd();
        isOpen = isStreaming;
      });
      close = () => {
        states.remove();
        stream.stop();
        buffers.remove();
        stream.release();
      };
      await pcm.start(onChunk, options);
      try {
        await stream.start();
      } catch (error) {
        close();
        close = undefined;
        await setAudioModeAsync(playing);
        throw error;
      }
    },
    async stop() {
      run++;
      close?.();
      close = undefined;
      await pcm.stop();
      await setAudioModeAsync(playing);
    },
  };
}

function firstChannel(samples: Int16Array, channels: number): Int16Array {
  return channels === 1 ? samples : samples.filter((_, index) => index % channels === 0);
}

/** Samples at another rate, interpolated: some hardware does not give the one it is asked for. */
function resampled(samples: Int16Array, from: number, to: number): Int16Array {
  if (from === to) return samples;
  const step = from / to;
  return Int16Array.from({ length: Math.floor(samples.length / step) }, (_, index) => {
    const at = index * step;
    const left = samples[Math.floor(at)] ?? 0;
    const right = samples[Math.floor(at) + 1] ?? left;
    return left + (right - left) * (at % 1);
  });
}

import type { Live } from '../conversation/live.ts';
import { fileRecorderSource } from './media.ts';
import { createMeter, type Meter } from './meter.ts';
import type { AudioSource } from './source.ts';

export interface MicrophoneOptions {
  /** What the microphone is asked for; without echo, noise and differences of loudness by default. */
  constraints?: MediaTrackConstraints;
  audioBitsPerSecond?: number;
}

export interface MicrophoneSource extends AudioSource {
  readonly meter: Live<number>;
}

/** Milliseconds between two looks at how loud it is. */
const lookMs = 50;

/**
 * A browser's microphone: opened when a recording begins, which may ask the person, and given back when it ends.
 * @throws TypeError when the browser records in no known format
 */
export function microphoneSource({
  constraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  audioBitsPerSecond = 32_000,
}: MicrophoneOptions = {}): MicrophoneSource {
  const meter = createMeter();
  let open: { stream: MediaStream; stopMeter: () => void } | undefined;
  /** Counts the recordings: one may be over before its microphone is there. */
  let run = 0;

  const files = fileRecorderSource({
    isTypeSupported: (mimeType) => MediaRecorder.isTypeSupported(mimeType),
    create: (mimeType) => new MediaRecorder(openStream(open), { mimeType, audioBitsPerSecond }),
  });

  const close = (): void => {
    open?.stopMeter();
    if (open) release(open.stream);
    open = undefined;
    meter.reset();
  };

  return {
    format: files.format,
    meter,
    async start(onChunk, options) {
      const own = ++run;
      const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
      if (own !== run) {
        release(stream);
        return;
      }
      open = { stream, stopMeter: measure(stream, meter) };
      try {
        await files.start(onChunk, options);
      } catch (error) {
        close();
        throw error;
      }
    },
    async stop() {
      run++;
      if (!open) return;
      try {
        await files.stop();
      } finally {
        close();
      }
    },
  };
}

function openStream(open: { stream: MediaStream } | undefined): MediaStream {
  if (!open) throw new TypeError('The microphone is not open.');
  return open.stream;
}

function release(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** Returns what ends it. A browser that cannot measure records all the same. */
function measure(stream: MediaStream, meter: Meter): () => void {
  try {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      meter.push(Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length));
    }, lookMs);
    return () => {
      clearInterval(timer);
      context.close().catch(() => {});
    };
  } catch {
    return () => {};
  }
}

import { fileRecorderSource } from '@parley/client/recorder-media';
import { createMeter } from '@parley/client/recorder-meter';
import type { AudioSource } from '@parley/client/recorder-source';

/** Milliseconds between two looks at how loud it is. */
const lookMs = 50;

/**
 * The microphone, opened for each recording and closed after it, so that the browser shows that it is open only while it is.
 * Undefined where the browser lets no page record.
 */
export function microphoneSource(): AudioSource | undefined {
  if (!navigator.mediaDevices?.getUserMedia || typeof MediaRecorder === 'undefined') return undefined;
  const meter = createMeter();
  let open: { stream: MediaStream; close(): void } | undefined;
  const files = fileRecorderSource({
    isTypeSupported: (mimeType) => MediaRecorder.isTypeSupported(mimeType),
    create: (mimeType) => {
      if (!open) throw new TypeError('The microphone is closed.');
      return new MediaRecorder(open.stream, { mimeType, audioBitsPerSecond: 32_000 });
    },
  });
  const close = (): void => {
    open?.close();
    open = undefined;
    meter.reset();
  };
  return {
    format: files.format,
    meter,
    async start(onChunk, options) {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
      open = { stream, close: measure(stream, (rms) => meter.push(rms)) };
      try {
        await files.start(onChunk, options);
      } catch (error) {
        close();
        throw error;
      }
    },
    async stop() {
      try {
        await files.stop();
      } finally {
        close();
      }
    },
  };
}

/** Tells how loud a stream is. Returns what ends that, and the stream. */
function measure(stream: MediaStream, tell: (rms: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    tell(Math.sqrt(sum / samples.length));
  }, lookMs);
  return () => {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
    void context.close();
  };
}

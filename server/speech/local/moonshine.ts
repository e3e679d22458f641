import { fileURLToPath } from 'node:url';
import tokenizer from 'llama-tokenizer-js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type Handler, serve } from '../task.ts';

/** Samples at 16 kHz, at most 64 s of them. */
export type MoonshineJob = Float32Array;
/** The text, as the model writes it. */
export type MoonshineAnswer = string;

/** The shape of the model: layers of the decoder, and heads and their width in its cache. */
const [layers, heads, width] = [6, 8, 36];
const [beginning, end] = [1, 2];
/** The model was trained on up to this many tokens a second; more is a loop. */
const tokensPerSecond = 6.5;
/** Shorter sound than the model's first convolutions take is filled up. */
const leastSamples = 8_000;

const options: InferenceSession.SessionOptions = { intraOpNumThreads: 2, interOpNumThreads: 1, logSeverityLevel: 3 };

/** Moonshine (Jeffries et al. 2024, arXiv 2410.15608), tiny and quantized: an encoder, and a decoder read greedily. */
async function loadMoonshine(): Promise<Handler<MoonshineJob, MoonshineAnswer>> {
  const folder = new URL('model/tiny/quantized/', import.meta.resolve('@moonshine-ai/moonshine-js'));
  const open = (file: string) => InferenceSession.create(fileURLToPath(new URL(file, folder)), options);
  const [encoder, decoder] = await Promise.all([open('encoder_model.onnx'), open('decoder_model_merged.onnx')]);

  return async (job, isStopped) => {
    if (job.length === 0) return { answer: '' };
    const samples = job.length < leastSamples ? fill(job) : job;
    const input = new Tensor('float32', samples, [1, samples.length]);
    const encoded = tensor((await encoder.run({ input_values: input })).last_hidden_state);
    const most = Math.ceil((samples.length / 16_000) * tokensPerSecond) + 1;
    const tokens = [beginning];
    const cache = emptyCache();
    for (let step = 0; step < most && !isStopped(); step++) {
      const output = await decoder.run({
        input_ids: new Tensor('int64', [BigInt(tokens.at(-1) ?? beginning)], [1, 1]),
        encoder_hidden_states: encoded,
        use_cache_branch: new Tensor('bool', [step > 0]),
        ...cache,
      });
      const next = likeliest(tensor(output.logits).data);
      if (next === end) break;
      tokens.push(next);
      for (const name in cache) {
        // What is known of the sound is computed once, at the first step.
        const isOwn = name.includes('decoder');
        if (step === 0 || isOwn) cache[name] = tensor(output[name.replace('past_key_values', 'present')]);
      }
    }
    return { answer: tokenizer.decode(tokens).trim() };
  };
}

function tensor(value: Tensor | undefined): Tensor {
  if (value === undefined) throw new Error('the model is not the one that was expected');
  return value;
}

function fill(samples: Float32Array): Float32Array {
  const filled = new Float32Array(leastSamples);
  filled.set(samples, (leastSamples - samples.length) >> 1);
  return filled;
}

function emptyCache(): Record<string, Tensor> {
  const cache: Record<string, Tensor> = {};
  for (let layer = 0; layer < layers; layer++) {
    for (const part of ['decoder.key', 'decoder.value', 'encoder.key', 'encoder.value']) {
      cache[`past_key_values.${layer}.${part}`] = new Tensor('float32', new Float32Array(0), [0, heads, 1, width]);
    }
  }
  return cache;
}

function likeliest(scores: Tensor['data']): number {
  let best = 0;
  for (let index = 1; index < scores.length; index++) if ((scores[index] ?? 0) > (scores[best] ?? 0)) best = index;
  return best;
}

serve<MoonshineJob, MoonshineAnswer>(loadMoonshine);

import { serve } from '../task.ts';
import type { Container } from './container.ts';
import { readPcm, readSound } from './read.ts';
import { type Refusal, Undecodable } from './undecodable.ts';

export interface DecodeJob {
  data: Uint8Array;
  container: Container | { pcmRate: number };
  maxSeconds: number;
}

export type DecodeAnswer = { samples: Float32Array<ArrayBuffer> } | { refusal: Refusal; message: string };

serve<DecodeJob, DecodeAnswer>(async () => async ({ data, container, maxSeconds }, isStopped) => {
  try {
    const samples =
      typeof container === 'string'
        ? await readSound(container, data, maxSeconds, isStopped)
        : await readPcm(data, container.pcmRate, maxSeconds);
    return { answer: { samples }, transfer: [samples.buffer] };
  } catch (error) {
    const isKnown = error instanceof Undecodable;
    const message = isKnown ? error.message : 'the decoder gave up';
    return { answer: { refusal: isKnown ? error.refusal : 'damaged', message } };
  }
});

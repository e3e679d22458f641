import { limits } from '@parley/shared/limits';
import { makeDecoder } from '../speech/decode.ts';
import type { Synthesizer, Warm } from '../speech/port.ts';
import { makeSynthesizer, makeTranscriber, makeVoiceActivity } from '../speech/registry.ts';
import { trimSilence } from '../speech/trim.ts';
import type { TurnPorts } from '../turn/ports.ts';
import type { TurnRunner } from '../turn/runner.ts';
import { Deletions } from '../voice/deletion.ts';
import { Listening } from '../voice/listening.ts';
import type { VoicePorts } from '../voice/ports.ts';
import { TranscriptionQueue } from '../voice/queue.ts';
import type { Config } from './config.ts';

export interface Speech {
  synthesizer: Synthesizer;
  /** What is to be loaded before it can be used: nothing where a service hears and speaks. */
  warm: readonly Warm[];
  close(): Promise<void>;
  /** The half that needs turns to exist. */
  voice(turns: TurnPorts, runner: TurnRunner): Voice;
  providers: Record<'stt' | 'tts' | 'vad', { name: string; model: string; description?: string }>;
}

export interface Voice {
  ports: VoicePorts;
  queue: TranscriptionQueue;
  listening: Listening;
  close(): Promise<void>;
}

function described(part: { name: string; model: string; description?: string }): {
  name: string;
  model: string;
  description?: string;
} {
  return {
    name: part.name,
    model: part.model,
    ...(part.description !== undefined && { description: part.description }),
  };
}

/** Everything that hears and speaks. Models are loaded when they are first needed, or ahead of that when they are warmed. */
export function assembleSpeech(config: Pick<Config, 'stt' | 'tts' | 'voice'>): Speech {
  const transcriber = makeTranscriber(config.stt);
  const synthesizer = makeSynthesizer(config.tts);
  const activity = makeVoiceActivity();
  const decoder = makeDecoder();
  return {
    synthesizer,
    // Without a local transcriber a server may never hear anybody itself.
    warm: [...(transcriber.warm ? [activity, transcriber] : []), synthesizer],
    providers: { stt: described(transcriber), tts: described(synthesizer), vad: described(activity) },
    async close() {
      await Promise.all([transcriber.close(), synthesizer.close(), activity.close(), decoder.close()]);
    },
    voice(turns, runner) {
      const ports: VoicePorts = {
        turns,
        runner,
        transcriber,
        timing: config.voice,
        decode: ({ data, format, sampleRate }, maxSeconds) =>
          decoder.decode(data, { format, sampleRate }, { maxSeconds, maxBytes: limits.segmentBytes }),
        trim: (sound, signal) => trimSilence(sound, activity, signal),
        deletions: new Deletions(),
      };
      const queue = new TranscriptionQueue(ports);
      const listening = new Listening(ports);
      queue.start();
      return {
        ports,
        queue,
        listening,
        async close() {
          listening.close();
          await queue.close();
        },
      };
    },
  };
}

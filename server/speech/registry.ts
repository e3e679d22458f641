import { localVoiceActivity } from './local/activity.ts';
import { localSynthesizer } from './local/synthesizer.ts';
import { localTranscriber } from './local/transcriber.ts';
import type { Deadlines } from './openai/ask.ts';
import { openaiSynthesizer } from './openai/synthesizer.ts';
import { openaiTranscriber } from './openai/transcriber.ts';
import type { Synthesizer, Transcriber, VoiceActivity } from './port.ts';

/** Which service hears or speaks, and how to reach it. */
export type SpeechConfig =
  | { provider: 'local'; model?: string | undefined }
  | {
      provider: 'openai';
      model: string;
      baseURL?: string | undefined;
      apiKey?: string | undefined;
      deadlines?: Partial<Deadlines> | undefined;
    };

/** One line a provider. */
export function makeTranscriber(config: SpeechConfig): Transcriber {
  switch (config.provider) {
    case 'local':
      return localTranscriber();
    case 'openai':
      return openaiTranscriber(config);
  }
}

/** One line a provider. */
export function makeSynthesizer(config: SpeechConfig & { voice?: string | undefined }): Synthesizer {
  switch (config.provider) {
    case 'local':
      return localSynthesizer(config);
    case 'openai':
      return openaiSynthesizer(config);
  }
}

/** It works on this machine, whoever hears and speaks. */
export function makeVoiceActivity(): VoiceActivity {
  return localVoiceActivity();
}

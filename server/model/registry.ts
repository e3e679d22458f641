import { localModel } from './local/model.ts';
import { openaiModel } from './openai/model.ts';
import type { Model } from './port.ts';

/** Which model answers, and how to reach it. */
export type ModelConfig =
  | { provider: 'openai'; apiKey?: string | undefined; baseURL?: string | undefined; model: string }
  | { provider: 'local'; tokensPerSecond?: number | undefined };

/** One line a provider. */
export function makeModel(config: ModelConfig): Model {
  switch (config.provider) {
    case 'openai':
      return openaiModel(config);
    case 'local':
      return localModel(config);
  }
}

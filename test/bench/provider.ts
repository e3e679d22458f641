import { startProvider } from '../support/provider.ts';
import { startSpeechProvider } from '../support/speech-provider.ts';
import { answerCommands } from './answer.ts';
import type { ProviderCommands } from './protocol.ts';

// The scripted model and speech services, in a process of their own as services would be.

answerCommands<ProviderCommands>({
  async start() {
    const [model, speech] = await Promise.all([startProvider(), startSpeechProvider()]);
    return { provider: model.url, speech: speech.url };
  },
});

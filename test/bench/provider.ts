import { startProvider } from '../support/provider.ts';
import { answerCommands } from './answer.ts';
import type { ProviderCommands } from './protocol.ts';

// The scripted model, in a process of its own as a model would be.

answerCommands<ProviderCommands>({
  async start() {
    const { url } = await startProvider();
    return { url };
  },
});

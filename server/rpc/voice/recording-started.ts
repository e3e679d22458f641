import { recordingStartedInput } from '@parley/shared/voice';
import { spoken } from '../guard.ts';

export const recordingStarted = spoken
  .input(recordingStartedInput)
  .mutation(async ({ ctx, input }): Promise<{ listening: true }> => {
    await ctx.app.voice.listening.started(ctx.owner, input);
    return { listening: true };
  });

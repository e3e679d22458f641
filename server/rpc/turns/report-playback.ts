import { reportPlaybackInput } from '@parley/shared/voice';
import { notePlayback } from '../../turn/playback.ts';
import { chat } from '../guard.ts';

export const reportPlayback = chat
  .input(reportPlaybackInput)
  .mutation(async ({ ctx, input }): Promise<{ noted: true }> => {
    const { turnId, sentence, playedMs } = input;
    await notePlayback(ctx.app.turns, ctx.owner, turnId, { sentence, playedMs });
    return { noted: true };
  });

import { type CancelledRecording, cancelRecordingInput } from '@parley/shared/voice';
import { cancelRecording as cancel } from '../../voice/cancel.ts';
import { spoken } from '../guard.ts';

export const cancelRecording = spoken
  .input(cancelRecordingInput)
  .mutation(async ({ ctx, input }): Promise<CancelledRecording> => {
    return await cancel(ctx.app.voice.ports, ctx.owner, input);
  });

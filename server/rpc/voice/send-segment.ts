import { type SegmentReceipt, sendSegmentInput } from '@parley/shared/voice';
import { receiveSegment } from '../../voice/segment.ts';
import { recorded } from '../guard.ts';

export const sendSegment = recorded
  .input(sendSegmentInput)
  .mutation(async ({ ctx, input }): Promise<SegmentReceipt> => {
    return await receiveSegment(ctx.app.voice.ports, ctx.app.voice.queue, ctx.owner, input);
  });

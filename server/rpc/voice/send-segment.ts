import { type SegmentReceipt, sendSegmentInput } from '@parley/shared/voice';
import { receiveSegment } from '../../voice/segment.ts';
import { recorded } from '../guard.ts';

export const sendSegment = recorded
  .input(sendSegmentInput)
  .mutation(async ({ ctx, input }): Promise<SegmentReceipt> => {
    const { ports, queue } = ctx.app.voice;
    return await receiveSegment(ports, queue, ctx.owner, input, () => ctx.app.rates.turn(ctx.principal));
  });

import type { SentTurn } from '@parley/shared/turn';
import { sendVoiceMessageInput } from '@parley/shared/voice';
import { sendVoiceMessage } from '../../voice/message.ts';
import { recordedTurn } from '../guard.ts';
import { sentOf } from '../turns/send.ts';

export const sendMessage = recordedTurn
  .input(sendVoiceMessageInput)
  .mutation(
    async ({ ctx, input, signal = new AbortController().signal }): Promise<SentTurn & { voiceSessionId: string }> => {
      const sent = await sendVoiceMessage(ctx.app.voice.ports, ctx.owner, input, signal);
      return { ...sentOf(sent), voiceSessionId: sent.voiceSessionId };
    },
  );

import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import { transcribeInput } from '@parley/shared/voice';
import { millisecondsOf, transcribe as understand } from '../../voice/transcribe.ts';
import { spoken } from '../guard.ts';

/** Nothing is saved and no turn begins. */
export const transcribe = spoken
  .input(transcribeInput)
  .mutation(
    async ({ ctx, input, signal = new AbortController().signal }): Promise<{ text: string; durationMs: number }> => {
      const { ports } = ctx.app.voice;
      const sound = await ports.decode(input, limits.segmentSeconds);
      const { text } = await understand(ports, sound, { language: input.language }, signal);
      if (text === '') throw new ParleyError('NO_SPEECH');
      return { text, durationMs: millisecondsOf(sound) };
    },
  );

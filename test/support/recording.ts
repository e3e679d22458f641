import { newId } from '@parley/shared/id';
import type { SegmentReceipt } from '@parley/shared/voice';
import type { SocketClient } from './stock.ts';
import { sampleRate, speech } from './voice.ts';

export interface SegmentOptions {
  isLast?: boolean;
  /** In place of `speech(index)`. */
  sound?: Uint8Array;
  /** Another connection, or another replica's. */
  via?: Pick<SocketClient, 'voice'>;
}

export interface Recording {
  conversationId: string;
  voiceSessionId: string;
  send(index: number, options?: SegmentOptions): Promise<SegmentReceipt>;
}

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Sends the segments of one recording, as raw samples in base64 that says nothing of itself. */
export function recording(
  client: Pick<SocketClient, 'voice'>,
  conversationId: string,
  voiceSessionId: string = newId(),
): Recording {
  return {
    conversationId,
    voiceSessionId,
    send: (index, { isLast, sound = speech(index), via = client } = {}) =>
      via.voice.sendSegment.mutate({
        conversationId,
        voiceSessionId,
        index,
        format: 'pcm_s16le',
        sampleRate,
        data: base64(sound),
        ...(isLast !== undefined && { isLast }),
      }),
  };
}

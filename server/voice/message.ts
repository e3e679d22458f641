import { createHash } from 'node:crypto';
import { getConversation, type Owner } from '@parley/db/repository/conversation';
import { findMessage } from '@parley/db/repository/message';
import { findOwnTurn } from '@parley/db/repository/turn';
import { findUser } from '@parley/db/repository/user';
import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import type { SendVoiceMessageInput } from '@parley/shared/voice';
import type { Sound } from '../speech/port.ts';
import { publish } from '../turn/publish.ts';
import { type Sent, submit } from '../turn/send.ts';
import { Interim } from './interim.ts';
import { nameOf, type VoicePorts } from './ports.ts';
import { millisecondsOf, transcribe } from './transcribe.ts';

/**
 * One whole recording as a turn. It is transcribed before it is accepted, so that what cannot be understood is answered here.
 * @throws ParleyError as a text turn, and UNSUPPORTED_FORMAT, PAYLOAD_TOO_LARGE, TRANSCRIPTION_FAILED, STT_UNAVAILABLE, NO_SPEECH
 */
export async function sendVoiceMessage(
  ports: VoicePorts,
  owner: Owner,
  input: SendVoiceMessageInput,
  signal: AbortSignal,
): Promise<Sent & { voiceSessionId: string }> {
  const { db } = ports.turns;
  const turnId = input.turnId ?? newId();
  const audio = createHash('sha256').update(input.data).digest('hex');
  const conversation = await getConversation(db, owner, input.conversationId);
  const known = await findOwnTurn(db, owner, turnId);
  if (known) {
    // The recording counts, not what another transcription of it would say.
    if (known.conversation_id !== conversation.id || known.request.audio !== audio)
      throw new ParleyError('IDEMPOTENCY_CONFLICT');
    const message = known.user_message_id ? await findMessage(db, known.user_message_id) : undefined;
    return { turn: known, message: message ?? null, duplicate: true, voiceSessionId: turnId };
  }
  if (conversation.status === 'ended') throw new ParleyError('CONVERSATION_ENDED');
  const user = await findUser(db, owner.tenant, owner.userId);
  const sound = await ports.decode(input, limits.segmentSeconds);
  const interim = new Interim((partial) =>
    tell(ports, { conversationId: conversation.id, turnId, text: partial, sound }),
  );
  const options = { language: user?.locale ?? undefined, onPartial: (partial: string) => interim.push(partial) };
  const { text, sttMs } = await transcribe(ports, sound, options, signal).finally(() => interim.end());
  if (text === '') throw new ParleyError('NO_SPEECH');
  const sent = await submit(ports.turns, ports.runner, {
    owner,
    conversationId: conversation.id,
    turnId,
    input: 'voice',
    request: {
      parts: [{ type: 'text', text }],
      audio,
      sttMs,
      stt: nameOf(ports.transcriber),
      ...(input.speak !== undefined && { speak: input.speak }),
    },
    message: {
      parts: [{ type: 'text', text }],
      voice: { voiceSessionId: turnId, durationMs: millisecondsOf(sound), segmentIds: [] },
    },
    retryOf: null,
    onBusy: input.onBusy,
  });
  return { ...sent, voiceSessionId: turnId };
}

async function tell(
  ports: VoicePorts,
  said: { conversationId: string; turnId: string; text: string; sound: Sound },
): Promise<void> {
  const { conversationId, turnId: voiceSessionId, text, sound } = said;
  await publish(ports.turns, {
    type: 'transcript.partial',
    conversationId,
    at: Date.now(),
    voiceSessionId,
    text,
    durationMs: millisecondsOf(sound),
  }).catch((error: unknown) => {
    ports.turns.logger.warn({ error: error instanceof Error ? error.name : 'unknown' }, 'partial not told');
  });
}

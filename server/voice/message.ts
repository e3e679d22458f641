import { createHash } from 'node:crypto';
import { getConversation, type Owner } from '@parley/db/repository/conversation';
import { findMessage } from '@parley/db/repository/message';
import { findOwnTurn } from '@parley/db/repository/turn';
import { findUser, type UserRow } from '@parley/db/repository/user';
import type { Event } from '@parley/shared/event';
import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import type { SendVoiceMessageInput } from '@parley/shared/voice';
import type { Sound } from '../speech/port.ts';
import { requestHash } from '../turn/accept.ts';
import { publish } from '../turn/publish.ts';
import { type Sent, submit } from '../turn/send.ts';
import { errorName } from '../turn/verdict.ts';
import { Interim } from './interim.ts';
import { nameOf, type VoicePorts } from './ports.ts';
import { millisecondsOf, type Transcript, transcribe } from './transcribe.ts';

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
    const { speak } = input;
    const request = { parts: [], audio, ...(speak !== undefined && { speak }) };
    if (!known.request_hash.equals(requestHash({ conversationId: conversation.id, request, retryOf: null })))
      throw new ParleyError('IDEMPOTENCY_CONFLICT');
    const message = known.user_message_id ? await findMessage(db, known.user_message_id) : undefined;
    return { turn: known, message: message ?? null, duplicate: true, voiceSessionId: turnId };
  }
  if (conversation.status === 'ended') throw new ParleyError('CONVERSATION_ENDED');
  const user = await findUser(db, owner.tenant, owner.userId);
  const sound = await ports.decode(input, limits.segmentSeconds);
  const said: Said = { owner, conversationId: conversation.id, turnId, sound, isTold: false };
  try {
    const { text, sttMs } = await understand(ports, said, user, signal);
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
  } catch (error) {
    // Refused although some of it was told of already, which is void now.
    if (said.isTold && error instanceof ParleyError) await tellCancelled(ports, said);
    throw error;
  }
}

interface Said {
  owner: Owner;
  conversationId: string;
  turnId: string;
  sound: Sound;
  /** Whether what was understood of it so far has been told. */
  isTold: boolean;
}

/** Transcribes it, for as long as its conversation is there. */
async function understand(
  ports: VoicePorts,
  said: Said,
  user: UserRow | undefined,
  signal: AbortSignal,
): Promise<Transcript> {
  const permit = (): Promise<unknown> => getConversation(ports.turns.db, said.owner, said.conversationId);
  const deletion = ports.deletions.watch(said.conversationId);
  const interim = new Interim(async (partial) => {
    if (!deletion.signal.aborted) await tell(ports, said, partial);
  });
  const options = {
    language: user?.locale ?? undefined,
    onPartial: (partial: string) => interim.push(partial),
    permit,
  };
  try {
    return await transcribe(ports, said.sound, options, AbortSignal.any([signal, deletion.signal]));
  } finally {
    deletion.end();
    await interim.end();
  }
}

async function tell(ports: VoicePorts, said: Said, text: string): Promise<void> {
  const { conversationId, turnId: voiceSessionId, sound } = said;
  said.isTold = true;
  const at = Date.now();
  const durationMs = millisecondsOf(sound);
  await publishOrLog(ports, { type: 'transcript.partial', conversationId, at, voiceSessionId, text, durationMs });
}

async function tellCancelled(ports: VoicePorts, { conversationId, turnId: voiceSessionId }: Said): Promise<void> {
  await publishOrLog(ports, { type: 'recording.cancelled', conversationId, at: Date.now(), voiceSessionId });
}

async function publishOrLog(ports: VoicePorts, event: Event): Promise<void> {
  await publish(ports.turns, event).catch((error: unknown) => {
    ports.turns.logger.warn({ error: errorName(error), event: event.type }, 'not told of a recording');
  });
}

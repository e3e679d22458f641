import { dropAttachment } from '@parley/db/repository/attachment';
import { findMessage, inEvent, type MessageRow, toMessage } from '@parley/db/repository/message';
import type { TurnRow } from '@parley/db/repository/turn';
import { releaseLease } from '@parley/db/repository/turn-lease';
import type { Locale } from '@parley/shared/explain';
import { saveSpeech } from '../files/speech-file.ts';
import { beginning } from './announce.ts';
import { answer, type Seen } from './answer.ts';
import { checkpoint } from './checkpoint.ts';
import type { Leases } from './lease.ts';
import type { TurnPorts } from './ports.ts';
import type { ProgressWriter } from './progress.ts';
import { retract } from './publish.ts';
import { isFenced, Recorder } from './recorder.ts';
import { type Claim, type Outcome, type Settled, settle } from './settle.ts';
import type { Speaker } from './speak.ts';
import { type StopKind, Stopped } from './stop.ts';
import { recordingMetrics, speechMetrics, Timing } from './timing.ts';
import { errorName, verdictOf } from './verdict.ts';

/** A turn that this replica has claimed and is to run. */
export interface Claimed {
  turn: TurnRow;
  /** The user's message, when the caller has it at hand. */
  message?: MessageRow | null;
  /** Monotonic time before the claim was sent to the database. */
  claimedAt: number;
  /** Monotonic time of the turn's acceptance, where this replica saw it. */
  acceptedAt?: number;
  /** What its acceptance has seen. */
  seen?: Seen;
  /** `turn.started` is in the log already: an owner before this one had come that far. */
  begun?: boolean;
}

export interface RunOptions {
  claimed: Claimed;
  /** For the turn that waits behind it, once it has ended; none where another replica is to run that. */
  claim: () => Claim | undefined;
  /** Aborted with `Stopped` to stop the turn; also by the run itself when nothing can be appended any more. */
  abort: AbortController;
  leases: Leases;
  progress: ProgressWriter;
  /** Given what stops its speech, as soon as it is known that it speaks. */
  onSpeaker: (hush: () => boolean) => void;
}

/** A turn that has been settled here, and whose end is to be told. */
export interface Ended {
  settled: Settled;
  locale: Locale;
  /** The answer as it was delivered. */
  bubbles: readonly string[];
}

/**
 * Runs a claimed turn from its first event to its settlement. Undefined when its end is not this replica's to tell: it was lost,
 * deleted, or handed over unanswered.
 */
export async function runTurn(ports: TurnPorts, options: RunOptions): Promise<Ended | undefined> {
  const { claimed, abort, leases, progress } = options;
  const { turn } = claimed;
  const timing = new Timing(acceptedAt(claimed));
  const recorder = new Recorder({
    log: ports.log,
    progress,
    leases,
    turn: { id: turn.id, generation: turn.generation, conversationId: turn.conversation_id },
    bubbles: [],
    begun: claimed.begun ?? false,
    onFailure: (error) => abort.abort(isFenced(error) ? new Stopped('lost') : error),
  });
  let locale: Locale = 'en';
  let speaker: Speaker | undefined;
  let isRead = false;
  let failure: unknown;
  try {
    const message = await messageOf(ports, claimed);
    timing.recording = recordingMetrics(turn, message);
    checkpoint('turn.begun', turn.id);
    if (!claimed.begun) recorder.push(beginning(turn, message));
    await answer(ports, {
      seen: claimed.seen,
      turn,
      message,
      recorder,
      timing,
      signal: abort.signal,
      onSpeaker: (known) => {
        speaker = known;
        options.onSpeaker(() => {
          const silenced = hush(turn, recorder, known);
          // Its listener reads on: what has been heard of it no longer says how far they have come.
          isRead ||= silenced;
          return silenced;
        });
      },
      onLocale: (known) => {
        locale = known;
      },
    });
  } catch (error) {
    failure = error;
  }
  // Also when only its sound was still under way, which ends without a failure.
  if (speaker && (failure !== undefined || abort.signal.aborted)) hush(turn, recorder, speaker);
  const { stopped, fault } = await howStopped(recorder, abort.signal);
  if (timing.firstDeltaMs !== undefined) ports.metrics.firstDelta(timing.firstDeltaMs / 1000);
  if (stopped === 'lost') {
    await retract(ports, turn.conversation_id);
    return undefined;
  }
  if (stopped === 'deleted' || (stopped === 'handover' && recorder.bubbles.length === 0)) {
    await releaseLease(ports.db, turn);
    return undefined;
  }
  if (speaker) timing.speech = speechMetrics(speaker, ports.synthesizer);
  const verdict = verdictOf(stopped, failure ?? fault);
  if (verdict.code !== undefined && stopped === undefined)
    ports.logger.warn({ turnId: turn.id, code: verdict.code, error: errorName(failure ?? fault) }, 'turn failed');
  const outcome: Outcome = {
    ...verdict,
    bubbles: recorder.bubbles,
    ...(speaker && !isRead && { spoken: speaker.sentences }),
    metrics: timing.metrics(`${ports.model.name}/${turn.request.model ?? ports.model.model}`),
  };
  const speechAttachmentId = speaker && (await keep(ports, turn, speaker));
  if (speechAttachmentId !== undefined) outcome.speechAttachmentId = speechAttachmentId;
  checkpoint('settle.before', turn.id);
  const settlement = await settle(ports.db, turn, outcome, options.claim());
  if (settlement.kind !== 'settled') {
    if (speechAttachmentId !== undefined) await discard(ports, turn, speechAttachmentId);
    await retract(ports, turn.conversation_id);
    return undefined;
  }
  checkpoint('settle.committed', turn.id);
  ports.metrics.turnEnded({ status: outcome.status, code: outcome.code, seconds: outcome.metrics.totalMs / 1000 });
  if (timing.attempts > 0) ports.metrics.modelAttempts(timing.attempts);
  await remember(ports, claimed, settlement);
  return { settled: settlement, locale, bubbles: recorder.bubbles };
}

/** Tells listeners to stop playing when there is or was anything to play. */
function hush(turn: TurnRow, recorder: Recorder, speaker: Speaker): boolean {
  const silenced = speaker.silence();
  if (silenced)
    recorder.push([{ type: 'speech.stop', conversationId: turn.conversation_id, turnId: turn.id, at: Date.now() }]);
  return silenced;
}

/** Keeps the sound of an answer when that was wished for. An answer without its file is better than none. */
async function keep(ports: TurnPorts, turn: TurnRow, speaker: Speaker): Promise<string | undefined> {
  const { files, db, synthesizer, logger } = ports;
  if (speaker.sound.length === 0 || !synthesizer) return undefined;
  try {
    return await saveSpeech(files, db, {
      owner: { tenant: turn.tenant_id, userId: turn.user_id },
      conversationId: turn.conversation_id,
      turnId: turn.id,
      pcm: speaker.sound,
      sampleRate: synthesizer.sampleRate,
    });
  } catch (error) {
    logger.warn({ turnId: turn.id, error: errorName(error) }, 'speech not kept');
    return undefined;
  }
}

/** The sound of an answer that was not stored; its file goes with the sweep. */
async function discard({ db, logger }: TurnPorts, turn: TurnRow, attachmentId: string): Promise<void> {
  await dropAttachment(db, attachmentId).catch((error: unknown) => {
    logger.warn({ turnId: turn.id, error: errorName(error) }, 'speech not discarded');
  });
}

/** Adds to the history what this turn has added to the conversation: its user's message and the answer, at once. */
async function remember(ports: TurnPorts, { seen, message }: Claimed, settled: Settled): Promise<void> {
  if (!settled.revision) return;
  const { before, after } = settled.revision;
  // Nobody else has written since the acceptance.
  const whole = seen?.revision === before;
  const asked = whole && seen.before < before ? message : null;
  const added = [asked, settled.message].flatMap((row) => (row ? inEvent(toMessage(row)) : []));
  if (added.length > 0)
    await ports.history.extend(settled.turn.conversation_id, { before: whole ? seen.before : before, after }, added);
}

async function messageOf(ports: TurnPorts, { turn, message }: Claimed): Promise<MessageRow | null> {
  if (message !== undefined) return message;
  return turn.user_message_id ? ((await findMessage(ports.db, turn.user_message_id)) ?? null) : null;
}

/**
 * Waits for what was pushed to be out, and tells whether the turn was stopped from outside. `fault`: not all of it is out,
 * so that a whole answer was not delivered as one.
 */
async function howStopped(recorder: Recorder, signal: AbortSignal): Promise<{ stopped?: StopKind; fault?: unknown }> {
  let fault: unknown = signal.reason;
  try {
    await recorder.settled();
  } catch (error) {
    if (isFenced(error)) return { stopped: 'lost' };
    fault ??= error;
  }
  return fault instanceof Stopped ? { stopped: fault.kind } : { fault };
}

function acceptedAt(claimed: Claimed): number {
  if (claimed.acceptedAt !== undefined) return claimed.acceptedAt;
  const { created_at, started_at } = claimed.turn;
  // Both on the database's clock, so their difference holds on any replica.
  return claimed.claimedAt - (started_at ? started_at.getTime() - created_at.getTime() : 0);
}

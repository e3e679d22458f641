import { claimAbandoned, finishSegment, isWaiting, readAudio, renewSegments } from '@parley/db/repository/segment';
import { findSession, listQuietSessions } from '@parley/db/repository/voice-session';
import { limits } from '@parley/shared/limits';
import { pause } from '@parley/shared/pause';
import { type AudioFormat, audioFormat } from '@parley/shared/voice';
import type { Sound } from '../speech/port.ts';
import { isBusy } from '../speech/threads.ts';
import { errorName } from '../turn/verdict.ts';
import { closeAbandoned } from './abandoned.ts';
import { type HeldSound, HeldSounds } from './held.ts';
import { Interim } from './interim.ts';
import type { VoicePorts } from './ports.ts';
import { advance, type Session, sessionOf, tellPartial } from './session.ts';
import { millisecondsOf, transcribe } from './transcribe.ts';

/** Segments that are transcribed at once. */
const parallel = 4;
/** Segments that wait here; further ones are left to any replica's sweep, as those of a replica that died. */
const mostWaiting = 1_000;
/** How long a segment waits when threads have too much to do. */
const busyMs = 250;
const sweepMs = 1_000;
/** Abandoned recordings are looked for this often at least, and no more often than their life is long. */
const abandonedMs = 60_000;
const batch = 50;
const segmentMs = 120_000;

interface Waiting {
  id: string;
  index: number;
  session: Session;
  format: AudioFormat;
  sampleRate: number | null;
  /** Decoded already, when its sound is at hand. */
  held?: HeldSound | undefined;
}

/** Nobody waits for what a segment says, or that cannot be known now: it is left as it is. */
class Left extends Error {
  override readonly name = 'Left';
}

/** Transcribes stored segments, a few at once; takes over those of replicas that died; watches recordings that are overdue. */
export class TranscriptionQueue {
  /** Sounds of segments that are about to be added, or wait. */
  readonly held: HeldSounds;
  readonly #ports: VoicePorts;
  readonly #waiting: Waiting[] = [];
  readonly #mine = new Set<string>();
  readonly #abort = new AbortController();
  readonly #work = new Set<Promise<void>>();
  #running = 0;
  #timers: NodeJS.Timeout[] = [];
  #sweeping: Promise<void> | undefined;
  #nextAbandoned = 0;

  constructor(ports: VoicePorts) {
    this.#ports = ports;
    this.held = new HeldSounds((sound, signal) => ports.trim(sound, signal));
  }

  start(): void {
    this.#timers = [
      setInterval(() => void this.#renew(), this.#ports.turns.leaseMs / 4),
      setInterval(() => {
        this.#sweeping ??= this.#sweep().finally(() => {
          this.#sweeping = undefined;
        });
      }, sweepMs),
    ];
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#abort.abort();
    for (const { held } of this.#waiting.splice(0)) held?.drop();
    await this.#sweeping;
    await Promise.all(this.#work);
  }

  add(segment: Waiting): void {
    if (this.#mine.has(segment.id) || this.#abort.signal.aborted || this.#waiting.length >= mostWaiting) {
      segment.held?.drop();
      return;
    }
    this.#mine.add(segment.id);
    this.#waiting.push(segment);
    this.#next();
  }

  #next(): void {
    while (this.#running < parallel) {
      const segment = this.#waiting.shift();
      if (!segment) return;
      this.#running++;
      const work = this.#transcribe(segment)
        .catch((error: unknown) => this.#report(error))
        .finally(() => {
          this.#running--;
          this.#mine.delete(segment.id);
          this.#work.delete(work);
          this.#next();
        });
      this.#work.add(work);
    }
  }

  async #transcribe(segment: Waiting): Promise<void> {
    const { db } = this.#ports.turns;
    const deletion = this.#ports.deletions.watch(segment.session.conversationId);
    const signal = AbortSignal.any([this.#abort.signal, deletion.signal, AbortSignal.timeout(segmentMs)]);
    const drop = (): void => segment.held?.drop();
    signal.addEventListener('abort', drop, { once: true });
    const interim = new Interim(async (text) => {
      if (!deletion.signal.aborted) await this.#tell(segment, text);
    });
    let result: Parameters<typeof finishSegment>[2];
    try {
      result = await this.#understand(segment, (part) => interim.push(part), signal);
    } catch (error) {
      if (this.#abort.signal.aborted || deletion.signal.aborted || error instanceof Left) return;
      this.#report(error);
      result = { status: 'failed', text: null, durationMs: null, sttMs: 0 };
    } finally {
      drop();
      // Else the sound is kept until the signal's time is over.
      signal.removeEventListener('abort', drop);
      deletion.end();
      await interim.end();
    }
    const isOurs = await finishSegment(db, segment.id, result);
    // From here on its client may send it again.
    this.#mine.delete(segment.id);
    if (!isOurs) return;
    if (result.status === 'transcribed') await this.#tell(segment);
    await advance(this.#ports, segment.session);
  }

  /** Threads that have too much to do say nothing of a sound that is stored: it waits for them. */
  async #understand(
    segment: Waiting,
    onPartial: (part: string) => void,
    signal: AbortSignal,
  ): Promise<Parameters<typeof finishSegment>[2]> {
    const permit = async (): Promise<void> => {
      const waits = await isWaiting(this.#ports.turns.db, segment.id).catch((error: unknown) => this.#report(error));
      if (!waits) throw new Left();
    };
    let sound = segment.held?.sound;
    for (let trimming = segment.held?.speech; ; trimming = undefined) {
      try {
        sound ??= await this.#read(segment);
        const { text, sttMs } = await transcribe(this.#ports, sound, { onPartial, permit, trimming }, signal);
        return { status: text === '' ? 'silent' : 'transcribed', text, sttMs, durationMs: millisecondsOf(sound) };
      } catch (error) {
        if (!isBusy(error)) throw error;
      }
      await pause(busyMs, signal);
    }
  }

  /** `unfinished`: what is understood of it so far. */
  async #tell({ session, index }: Waiting, unfinished?: string): Promise<void> {
    const underWay = unfinished === undefined ? undefined : { index, text: unfinished };
    await tellPartial(this.#ports, session, underWay).catch((error: unknown) => this.#report(error));
  }

  async #read(segment: Waiting): Promise<Sound> {
    const data = await readAudio(this.#ports.turns.db, segment.id).catch((error: unknown) => this.#report(error));
    if (!data) throw new Left();
    const { format, sampleRate } = segment;
    return await this.#ports.decode({ data, format, sampleRate: sampleRate ?? undefined }, limits.segmentSeconds);
  }

  async #renew(): Promise<void> {
    if (this.#mine.size === 0) return;
    const { db, leaseMs } = this.#ports.turns;
    await renewSegments(db, [...this.#mine], leaseMs).catch((error: unknown) => this.#report(error));
  }

  async #sweep(): Promise<void> {
    const { db, leaseMs } = this.#ports.turns;
    try {
      const room = Math.min(batch, mostWaiting - this.#waiting.length);
      for (const row of room > 0 ? await claimAbandoned(db, leaseMs, room) : []) {
        const session = await findSession(db, {
          conversationId: row.conversation_id,
          voiceSessionId: row.voice_session_id,
        });
        const format = audioFormat.safeParse(row.format);
        if (!session || !format.success) continue;
        this.add({
          id: row.id,
          index: row.index,
          session: sessionOf(session),
          format: format.data,
          sampleRate: row.sample_rate,
        });
      }
      // One that cannot be looked at does not keep the others from it.
      for (const row of await listQuietSessions(db, 'came', 2 * sweepMs, batch))
        await advance(this.#ports, sessionOf(row)).catch((error: unknown) => this.#report(error));
      if (performance.now() < this.#nextAbandoned) return;
      await closeAbandoned(this.#ports, batch);
      this.#nextAbandoned = performance.now() + Math.min(abandonedMs, this.#ports.timing.openMs);
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.#ports.turns.logger.warn({ error: errorName(error) }, 'transcription failed');
  }
}

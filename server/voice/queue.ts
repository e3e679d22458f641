import {
  claimAbandoned,
  finishSegment,
  listQuietSessions,
  readAudio,
  renewSegments,
} from '@parley/db/repository/segment';
import { limits } from '@parley/shared/limits';
import { type AudioFormat, audioFormat } from '@parley/shared/voice';
import type { Sound } from '../speech/port.ts';
import { closeAbandoned } from './abandoned.ts';
import { Interim } from './interim.ts';
import type { VoicePorts } from './ports.ts';
import { advance, type Session, sessionOf, tellPartial } from './session.ts';
import { millisecondsOf, transcribe } from './transcribe.ts';

/** Segments that are transcribed at once. */
const parallel = 4;
/** Decoded sounds that wait; of further ones only the row waits, and the sound is read again. */
const mostHeld = 8;
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
  sound: Sound | undefined;
  /** Its speech without silence, when that is being looked for already. */
  speech?: Promise<Sound | undefined> | undefined;
}

/** Transcribes stored segments, a few at once; takes over those of replicas that died; watches recordings that are overdue. */
export class TranscriptionQueue {
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
    this.#waiting.length = 0;
    this.#abort.abort();
    await this.#sweeping;
    await Promise.all(this.#work);
  }

  /** `sound`: decoded already, when it is at hand. */
  add(segment: Waiting): void {
    if (this.#mine.has(segment.id) || this.#abort.signal.aborted) return;
    this.#mine.add(segment.id);
    const held = this.#waiting.filter((other) => other.sound).length;
    this.#waiting.push(held < mostHeld ? segment : { ...segment, sound: undefined, speech: undefined });
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
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(segmentMs)]);
    const interim = new Interim((text) => this.#tell(segment, text));
    let result: Parameters<typeof finishSegment>[2];
    try {
      const sound = segment.sound ?? (await this.#read(segment));
      const onPartial = (part: string): void => interim.push(part);
      const { text, sttMs } = await transcribe(this.#ports, sound, { onPartial }, signal, segment.speech);
      const status = text === '' ? 'silent' : 'transcribed';
      result = { status, text, sttMs, durationMs: millisecondsOf(sound) };
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#report(error);
      result = { status: 'failed', text: null, durationMs: null, sttMs: 0 };
    } finally {
      await interim.end();
    }
    const isOurs = await finishSegment(db, segment.id, result);
    // From here on its client may send it again.
    this.#mine.delete(segment.id);
    if (!isOurs) return;
    if (result.status === 'transcribed') await this.#tell(segment);
    await advance(this.#ports, segment.session);
  }

  /** `unfinished`: what is understood of it so far. */
  async #tell({ session, index }: Waiting, unfinished?: string): Promise<void> {
    const underWay = unfinished === undefined ? undefined : { index, text: unfinished };
    await tellPartial(this.#ports, session, underWay).catch((error: unknown) => this.#report(error));
  }

  async #read(segment: Waiting): Promise<Sound> {
    const data = await readAudio(this.#ports.turns.db, segment.id);
    if (!data) throw new Error('a segment without sound');
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
      for (const row of await claimAbandoned(db, leaseMs, batch)) {
        const session = await db
          .selectFrom('voice_sessions')
          .selectAll()
          .where('conversation_id', '=', row.conversation_id)
          .where('id', '=', row.voice_session_id)
          .executeTakeFirst();
        const format = audioFormat.safeParse(row.format);
        if (!session || !format.success) continue;
        this.add({
          id: row.id,
          index: row.index,
          session: sessionOf(session),
          format: format.data,
          sampleRate: row.sample_rate,
          sound: undefined,
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
    this.#ports.turns.logger.warn({ error: error instanceof Error ? error.name : 'unknown' }, 'transcription failed');
  }
}

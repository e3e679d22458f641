import type { MessageRow } from '@parley/db/repository/message';
import type { TurnRow } from '@parley/db/repository/turn';
import type { Metrics } from '@parley/shared/turn';
import type { Synthesizer } from '../speech/port.ts';
import type { Speaker } from './speak.ts';

/** One turn's marks, in milliseconds from its acceptance on this process's monotonic clock. */
export class Timing {
  /** Monotonic. A turn that waited or was taken over was accepted before this process's time with it began. */
  readonly acceptedAt: number;
  #firstDeltaMs: number | undefined;
  #firstSentenceMs: number | undefined;
  #askedAt: number | undefined;
  #llmMs: number | undefined;
  #attempts = 0;
  #firstAudioMs: number | undefined;
  tokensIn: number | undefined;
  tokensOut: number | undefined;
  /** What speech adds: set when it ends. */
  speech: Pick<Metrics, 'ttsMs' | 'ttsCharacters' | 'tts'> = {};
  /** What the recording that asked adds. */
  recording: Pick<Metrics, 'sttMs' | 'audioSeconds' | 'stt'> = {};

  constructor(acceptedAt: number) {
    this.acceptedAt = acceptedAt;
  }

  attempt(): void {
    this.#attempts++;
    this.#askedAt ??= performance.now();
  }

  delta(): void {
    this.#firstDeltaMs ??= this.#since(this.acceptedAt);
  }

  sentence(): void {
    this.#firstSentenceMs ??= this.#since(this.acceptedAt);
  }

  audio(): void {
    this.#firstAudioMs ??= this.#since(this.acceptedAt);
  }

  modelEnded(): void {
    if (this.#askedAt !== undefined) this.#llmMs ??= this.#since(this.#askedAt);
  }

  get firstDeltaMs(): number | undefined {
    return this.#firstDeltaMs;
  }

  get attempts(): number {
    return this.#attempts;
  }

  metrics(llm: string): Metrics {
    return {
      ...(this.#firstDeltaMs !== undefined && { firstDeltaMs: this.#firstDeltaMs }),
      ...(this.#firstSentenceMs !== undefined && { firstSentenceMs: this.#firstSentenceMs }),
      ...(this.#firstAudioMs !== undefined && { firstAudioMs: this.#firstAudioMs }),
      ...(this.#llmMs !== undefined && { llmMs: this.#llmMs }),
      totalMs: this.#since(this.acceptedAt),
      ...(this.tokensIn !== undefined && { tokensIn: this.tokensIn }),
      ...(this.tokensOut !== undefined && { tokensOut: this.tokensOut }),
      ...(this.#attempts > 0 && { attempts: this.#attempts, llm }),
      ...this.recording,
      ...this.speech,
    };
  }

  #since(start: number): number {
    return Math.round((performance.now() - start) * 10) / 10;
  }
}

/** What speaking an answer took. */
export function speechMetrics(speaker: Speaker, synthesizer: Synthesizer | null): Timing['speech'] {
  const { ttsMs, characters } = speaker;
  if (ttsMs === undefined || !synthesizer) return {};
  return {
    ttsMs: Math.round(ttsMs * 10) / 10,
    ttsCharacters: characters,
    tts: `${synthesizer.name}/${synthesizer.model}`,
  };
}

/** What hearing a question took. */
export function recordingMetrics(turn: TurnRow, message: MessageRow | null): Timing['recording'] {
  const { sttMs, stt } = turn.request;
  return {
    ...(sttMs !== undefined && { sttMs: Math.round(sttMs * 10) / 10 }),
    ...(stt !== undefined && { stt }),
    ...(message?.duration_ms && { audioSeconds: message.duration_ms / 1000 }),
  };
}

import type { Metrics } from '@parley/shared/turn';

const width = 48;
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** One line on how long things took. `firstSoundMs`: from the sending of the recording, as heard here. */
export function latencies(metrics: Metrics, firstSoundMs: number | undefined): string {
  const named: [string, number | undefined][] = [
    ['speech to text', metrics.sttMs],
    ['first words', metrics.firstDeltaMs],
    ['first sound', metrics.firstAudioMs],
    ['whole turn', metrics.totalMs],
    ['from sending to first sound', firstSoundMs],
  ];
  return named.flatMap(([name, ms]) => (ms === undefined ? [] : [`${name} ${duration(ms)}`])).join(' · ');
}

/**
 * A turn as bars on one line of time, which begins with the transcription: the turn is accepted when that is done, and all
 * its other times count from there.
 */
export function waterfall(metrics: Metrics): string {
  const { sttMs = 0, firstDeltaMs, firstSentenceMs, firstAudioMs, llmMs, ttsMs, totalMs } = metrics;
  const speechAt = firstSentenceMs ?? 0;
  /** Name, where the bar begins and ends, and what is said beside it: the metric itself. */
  const bars: [string, number, number, number | undefined][] = [
    ['speech to text', -sttMs, 0, metrics.sttMs],
    ['first words', 0, firstDeltaMs ?? 0, firstDeltaMs],
    ['first sentence', firstDeltaMs ?? 0, firstSentenceMs ?? 0, firstSentenceMs],
    ['first sound', speechAt, firstAudioMs ?? 0, firstAudioMs],
    ['model', 0, llmMs ?? 0, llmMs],
    ['speech', speechAt, speechAt + (ttsMs ?? 0), ttsMs],
    ['whole turn', 0, totalMs, totalMs],
  ];
  const end = Math.max(...bars.map(([, , to]) => to));
  const scale = width / Math.max(1, end + sttMs);
  const lines = bars.flatMap(([name, from, to, ms]) => {
    if (ms === undefined) return [];
    const bar = barOf((from + sttMs) * scale, (to + sttMs) * scale);
    return [`${name.padEnd(15)} ${bar.padEnd(width + 1)} ${duration(ms).padStart(8)}`];
  });
  return [...lines, ...providers(metrics)].join('\n');
}

function providers({ stt, llm, tts }: Metrics): string[] {
  const names = [stt, llm, tts].filter((name) => name !== undefined);
  return names.length > 0 ? [`with ${names.join(', ')}`] : [];
}

/** Blocks from one column to another, to an eighth of a column at its end. */
function barOf(from: number, to: number): string {
  const start = Math.floor(from);
  const length = Math.max(1 / 8, to - start);
  const whole = Math.floor(length);
  return `${' '.repeat(start)}${'█'.repeat(whole)}${eighths[Math.floor((length - whole) * 8)] ?? ''}`;
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

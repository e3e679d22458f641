import { textOf } from '@parley/shared/message';
import type { Line } from './replay-compare.ts';
import type { ExportedTurn } from './replay-export.ts';

/** What the comparison of one turn found. */
export interface TurnReport {
  /** Of the export, and of what it became. */
  turnId: string;
  replayedAs: string | undefined;
  input: ExportedTurn['input'];
  said: string;
  result: 'same' | 'different' | 'skipped';
  /** Rules that are broken, steps that differ, in words. */
  differences: string[];
  /** The steps side by side, when they differ. */
  steps: Line[];
  /** What was not as it was, and is no difference. */
  notes: string[];
}

/** What somebody said, for one line. */
export function saidIn({ input, parts }: ExportedTurn): string {
  if (input === 'greeting') return '(the agent speaks first)';
  const text = textOf(parts.flatMap((part) => (part.type === 'text' ? [part] : []))).replace(/\s+/g, ' ');
  const files = parts.filter((part) => part.type === 'attachment').length;
  const short = text.length > 50 ? `${text.slice(0, 49)}…` : text;
  return (
    [short && `“${short}”`, files > 0 ? `(${files} attached)` : ''].filter((word) => word !== '').join(' ') ||
    '(nothing)'
  );
}

const results = { same: 'same', different: 'DIFFERENT', skipped: 'skipped' } as const;

/** A turn's lines for a person: one when there is nothing to tell. */
export function showTurn(number: number, report: TurnReport): string {
  const head = `turn ${String(number).padEnd(3)} ${report.input.padEnd(8)} ${results[report.result].padEnd(9)} ${report.said}`;
  const lines = [
    head.trimEnd(),
    ...report.differences.map((line) => `    ! ${line}`),
    ...report.steps.map(({ mark, text }) => `    ${mark} ${text}`),
    ...report.notes.map((line) => `    · ${line}`),
  ];
  return `${lines.join('\n')}\n`;
}

export interface Summary {
  conversationId: string;
  turns: number;
  same: number;
  different: number;
  skipped: number;
  /** What is true of the whole conversation. */
  differences: string[];
  notes: string[];
}

export function showSummary(summary: Summary): string {
  const { turns, same, different, skipped } = summary;
  const lines = [
    ...summary.differences.map((line) => `! ${line}`),
    ...summary.notes.map((line) => `· ${line}`),
    `${turns} turns: ${same} same, ${different} different, ${skipped} skipped; replayed as conversation ${summary.conversationId}`,
  ];
  return `${lines.join('\n')}\n`;
}

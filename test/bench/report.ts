import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** One line of the table. A ratio is set against the floor unless it says against what. */
export interface Figure {
  case: string;
  figure: number;
  unit: string;
  /** What the same costs without Parley, in the same unit. */
  floor?: number;
  /** What the bar holds `ratio` (against the floor) or `figure` to. */
  bar?: { of: 'ratio' | 'figure'; atLeast?: number; atMost?: number };
  /** All that was measured, one number a repetition. */
  runs?: readonly number[];
  /** Microseconds of the listeners' CPU: near the server's or above it, they are what is measured. */
  clientUs?: number;
}

function ratioOf({ figure, floor }: Figure): number | undefined {
  return floor === undefined ? undefined : figure / floor;
}

function verdict(figure: Figure): 'ok' | 'MISSED' | '' {
  const { bar } = figure;
  if (!bar) return '';
  const value = bar.of === 'ratio' ? ratioOf(figure) : figure.figure;
  if (value === undefined) return 'MISSED';
  return value >= (bar.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (bar.atMost ?? Number.POSITIVE_INFINITY)
    ? 'ok'
    : 'MISSED';
}

function number(value: number): string {
  const digits = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : 3;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function barText({ bar, unit }: Figure): string {
  if (!bar) return '';
  const most = bar.atLeast === undefined ? `≤ ${bar.atMost}` : `≥ ${bar.atLeast}`;
  return bar.of === 'ratio' ? `${most} ×` : `${most} ${unit}`;
}

export function table(figures: readonly Figure[]): string {
  const rows = [['case', 'figure', 'floor', 'ratio', 'bar', '']];
  for (const figure of figures) {
    const ratio = ratioOf(figure);
    rows.push([
      figure.case,
      `${number(figure.figure)} ${figure.unit}`,
      figure.floor === undefined ? '' : number(figure.floor),
      ratio === undefined ? '' : ratio.toFixed(2),
      barText(figure),
      verdict(figure),
    ]);
  }
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 || i > 3 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

/** Writes `result/<date>.json`, and answers where. */
export function save(figures: readonly Figure[], seconds: number, load: number): string {
  const folder = path.join(import.meta.dirname, 'result');
  fs.mkdirSync(folder, { recursive: true });
  const date = new Date();
  const file = path.join(folder, `${date.toISOString().replace(/[:.]/g, '-')}.json`);
  const [cpu] = os.cpus();
  const machine = { cpu: cpu?.model, cores: os.cpus().length, node: process.version, load };
  const lines = figures.map((figure) => ({ ...figure, ratio: ratioOf(figure), verdict: verdict(figure) }));
  fs.writeFileSync(file, `${JSON.stringify({ date, seconds, machine, figures: lines }, null, 2)}\n`);
  return file;
}

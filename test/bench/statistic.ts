/** The value below which the part `q` of them lies; the nearest one that there is. */
export function quantile(values: Iterable<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  const value = sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

export function median(values: Iterable<number>): number {
  return quantile(values, 0.5);
}

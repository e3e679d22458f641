/** What is known of one segment. */
export interface SegmentState {
  id: string;
  index: number;
  status: 'stored' | 'transcribed' | 'silent' | 'failed';
  text: string | null;
  durationMs: number | null;
}

/** Where a recording stands, derived from its segments alone: whatever order they came in, over whichever replicas. */
export type SessionState =
  /** Its last segment has not come. */
  | { kind: 'recording'; missing: number[] }
  /** Its last segment has come, others before it have not. */
  | { kind: 'incomplete'; missing: number[] }
  | { kind: 'transcribing' }
  | { kind: 'failed'; indexes: number[] }
  | { kind: 'silent'; durationMs: number }
  | { kind: 'complete'; text: string; durationMs: number; segmentIds: string[] };

/** Indexes up to the last one, or the highest known, that have not come. */
export function missingOf(segments: readonly { index: number }[], lastIndex: number | null): number[] {
  const here = new Set(segments.map((segment) => segment.index));
  const end = lastIndex ?? Math.max(-1, ...here);
  const missing: number[] = [];
  for (let index = 0; index <= end; index++) if (!here.has(index)) missing.push(index);
  return missing;
}

export function reconcile(segments: readonly SegmentState[], lastIndex: number | null): SessionState {
  const missing = missingOf(segments, lastIndex);
  if (lastIndex === null) return { kind: 'recording', missing };
  if (missing.length > 0) return { kind: 'incomplete', missing };
  const inOrder = segments.filter(({ index }) => index <= lastIndex).sort((a, b) => a.index - b.index);
  if (inOrder.some(({ status }) => status === 'stored')) return { kind: 'transcribing' };
  const failed = inOrder.filter(({ status }) => status === 'failed');
  if (failed.length > 0) return { kind: 'failed', indexes: failed.map(({ index }) => index) };
  const durationMs = inOrder.reduce((sum, segment) => sum + (segment.durationMs ?? 0), 0);
  const text = joinTexts(inOrder.map((segment) => segment.text ?? ''));
  if (text === '') return { kind: 'silent', durationMs };
  return { kind: 'complete', text, durationMs, segmentIds: inOrder.map(({ id }) => id) };
}

const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}，。！？、；：]/u;

/** Texts one after the other, with a space between them where the script has spaces. */
export function joinTexts(texts: readonly string[]): string {
  let joined = '';
  for (const each of texts) {
    const text = each.trim();
    if (text === '') continue;
    const closed = unspaced.test(joined.slice(-1)) || unspaced.test(text.charAt(0));
    joined += joined === '' || closed ? text : ` ${text}`;
  }
  return joined;
}

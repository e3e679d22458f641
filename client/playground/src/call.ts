import { TRPCClientError } from '@trpc/client';
import { failureOf, isRecord, type ParleyFailure } from '../../failure.ts';

/** What became of a call. `ms` is from the click to the answer, with the way there and back. */
export type Outcome =
  | { is: 'answered'; value: unknown; ms: number }
  | { is: 'failed'; failure: ParleyFailure; code: string | undefined; status: number | undefined; ms: number }
  | { is: 'subscribed' }
  | { is: 'cancelled'; ms: number };

/** An answer may take as long as a model may; a call that takes longer has lost it. */
const patienceMs = 6 * 60_000;

/** Runs a call and measures it. Never throws. */
export async function measure(run: (signal: AbortSignal) => Promise<unknown>, cancel: AbortSignal): Promise<Outcome> {
  const from = performance.now();
  const ms = (): number => performance.now() - from;
  try {
    const value = await run(AbortSignal.any([cancel, AbortSignal.timeout(patienceMs)]));
    return { is: 'answered', value, ms: ms() };
  } catch (error) {
    if (cancel.aborted) return { is: 'cancelled', ms: ms() };
    const data: unknown = error instanceof TRPCClientError ? error.data : undefined;
    const { code, httpStatus } = isRecord(data) ? data : {};
    return {
      is: 'failed',
      failure: failureOf(error),
      code: typeof code === 'string' ? code : undefined,
      status: typeof httpStatus === 'number' ? httpStatus : undefined,
      ms: ms(),
    };
  }
}

/** What the server found wrong with an input, by the path of the field, joined with dots; `''` is the whole. */
export function problemsOf(outcome: Outcome | undefined): ReadonlyMap<string, string> {
  const problems = new Map<string, string>();
  const issues = outcome?.is === 'failed' ? outcome.failure.details?.issues : undefined;
  if (!Array.isArray(issues)) return problems;
  for (const issue of issues) {
    if (!isRecord(issue) || typeof issue.path !== 'string' || typeof issue.message !== 'string') continue;
    problems.set(issue.path, issue.message);
  }
  return problems;
}

export function msText(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

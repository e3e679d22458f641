import type { Event } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import type { Parley } from '../connect.ts';
import { type Command, CommandFailure, interrupted, isWatched, note, print, wholeNumber } from './command.ts';
import { follow, turnOf } from './follow.ts';
import { json } from './json.ts';
import { difference, isWhole, stepsOf } from './replay-compare.ts';
import { type ExportedConversation, type ExportedTurn, readExport } from './replay-export.ts';
import { Inbox } from './replay-inbox.ts';
import { type Summary, saidIn, showSummary, showTurn, type TurnReport } from './replay-report.ts';
import { brokenRules } from './replay-rules.ts';
import { type Replayed, replayTurn } from './replay-turn.ts';
import { openSession, parse, reportLoss, sessionHelp, sessionOptions } from './session.ts';

const options = {
  ...sessionOptions,
  recordings: { type: 'string' },
  text: { type: 'boolean' },
  timeout: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** How long the events of the last turn are still listened for, in milliseconds: nothing is to follow its end. */
const tailMs = 300;

export const replay: Command = {
  summary: 'say an exported conversation again and compare',
  help: `usage: npm run parley -- replay FILE [options]

Says the inputs of a conversation that was exported again, in a new conversation, a turn after the other, and compares for
each turn the kinds and the order of its events with those of the export and with the contract's rules. How often a text is
cut into pieces, times and sound are no part of the comparison. An answer that was interrupted is interrupted at the same
character.

An export has no sound and no files. A spoken turn is said as text, by its transcript, unless --recordings has it; what was
said in a call, what nobody understood, and attachments that the server does not have are skipped, and it says so. Of turns
whose events the server had not kept, only the end is compared.

  --recordings DIR   recordings of spoken turns, each named by its voice session: DIR/<voiceSessionId>.wav (.m4a, .ogg …)
  --text             the answers have to be the same, word for word
  --timeout SECONDS  how long a turn may take (120)
  --json             the result as one JSON object
${sessionHelp}`,
  exits: { done: 'no difference', failed: 'a difference, or it could not be replayed' },
  async run(args) {
    const { values, positionals } = parse(args, options, ['FILE']);
    const patienceMs = (wholeNumber('timeout', values.timeout, { least: 1, most: 3_600 }) ?? 120) * 1000;
    const exported = await readExport(positionals[0] ?? '');
    if (exported.turns.length === 0) throw new CommandFailure('there is nothing to replay: the export has no turns');
    const signal = interrupted();
    const parley = await openSession(values, reportLoss());
    try {
      const { id: conversationId } = await parley.conversations.create({
        title: `Replay: ${exported.title ?? 'untitled'}`.slice(0, 200),
      });
      const inbox = new Inbox();
      const following = follow(parley, conversationId, (tracked) => inbox.take(tracked));
      try {
        await following.started;
        const target = { parley, conversationId, inbox, patienceMs, recordings: values.recordings, signal };
        const outcomes: Replayed[] = [];
        const done = new Map<string, string>();
        for (const [index, turn] of exported.turns.entries()) {
          if (signal.aborted) throw new CommandFailure('interrupted');
          if (inbox.isFull) throw new CommandFailure('more came than can be compared');
          if (isWatched()) note(`turn ${index + 1} of ${exported.turns.length} …`);
          const outcome = await replayTurn(target, turn, done);
          if (outcome.kind === 'replayed') done.set(turn.id, outcome.turnId);
          outcomes.push(outcome);
        }
        await inbox.when(() => false, tailMs);
        const reports = await compare(parley, exported, outcomes, inbox, values.text === true);
        return await tell(reports, exported, { conversationId, inbox, isJson: values.json === true });
      } finally {
        following.stop();
      }
    } finally {
      await parley.close();
    }
  },
};

async function compare(
  parley: Parley,
  exported: ExportedConversation,
  outcomes: readonly Replayed[],
  inbox: Inbox,
  isText: boolean,
): Promise<TurnReport[]> {
  const kept = new Map<string, Event[]>();
  for (const { data } of exported.events) {
    const turnId = turnOf(data);
    if (turnId !== undefined) kept.set(turnId, [...(kept.get(turnId) ?? []), data]);
  }
  const reports: TurnReport[] = [];
  for (const [index, turn] of exported.turns.entries()) {
    const outcome = outcomes[index];
    if (!outcome) continue;
    const base = { turnId: turn.id, replayedAs: undefined, input: turn.input, said: saidIn(turn), steps: [] };
    if (outcome.kind === 'skipped') reports.push({ ...base, result: 'skipped', differences: [], notes: [outcome.why] });
    else if (outcome.kind === 'broken')
      reports.push({ ...base, result: 'different', differences: [outcome.why], notes: [] });
    else {
      const { text, status } = await parley.trpc.turns.get.query({ turnId: outcome.turnId });
      const came = { events: inbox.of(outcome.turnId), text, status, hasGaps: inbox.gaps > 0 };
      const report = compareTurn(turn, kept.get(turn.id) ?? [], outcome, came, isText);
      reports.push({ ...base, ...report, replayedAs: outcome.turnId });
    }
  }
  return reports;
}

function compareTurn(
  turn: ExportedTurn,
  kept: readonly Event[],
  { asText, note: remark }: Extract<Replayed, { kind: 'replayed' }>,
  came: { events: readonly Event[]; text: string; status: string; hasGaps: boolean },
  isText: boolean,
): Pick<TurnReport, 'result' | 'differences' | 'steps' | 'notes'> {
  const differences = came.hasGaps ? [] : brokenRules(came.events);
  const notes: string[] = remark === undefined ? [] : [remark];
  let steps: TurnReport['steps'] = [];
  if (asText) notes.push('said as text: its recording is no part of an export (--recordings DIR)');
  if (came.events.some(isTerminal) && !came.events.some(({ type }) => type === `turn.${came.status}`))
    differences.push(`its last event is another than its status, ${came.status}`);
  // What could not be interrupted cannot be compared to its end.
  const isComparable = remark === undefined && turn.status !== 'running' && turn.status !== 'queued';
  if (isWhole(kept)) differences.push(...brokenRules(kept).map((line) => `in the export: ${line}`));
  if (isComparable && isWhole(kept) && !came.hasGaps) {
    const lines = difference(stepsOf(kept, { asText }), stepsOf(came.events, { asText }));
    if (lines.some(({ mark }) => mark !== ' ')) {
      differences.push('other events (- in the export, + now):');
      steps = lines;
    }
  } else if (isComparable) {
    notes.push('only its end is compared: not all its events are there');
    const [was, is] = [endOf(turn), endOf({ ...came, code: codeIn(came.events) })];
    if (was !== is) differences.push(`${is}, in the export ${was}`);
  } else if (remark === undefined) notes.push(`it was still ${turn.status} when it was exported`);
  if (isText && isComparable && steps.length === 0 && came.text.trim() !== turn.text.trim()) {
    differences.push('another answer (- in the export, + now):');
    steps = [
      { mark: '-', text: turn.text.trim() },
      { mark: '+', text: came.text.trim() },
    ];
  }
  return { result: differences.length > 0 ? 'different' : 'same', differences, steps, notes };
}

function endOf({ status, code }: { status: string; code: string | undefined }): string {
  return code === undefined || status !== 'failed' ? status : `${status} (${code})`;
}

function codeIn(events: readonly Event[]): string | undefined {
  return events.flatMap((event) => (event.type === 'turn.failed' ? [event.code] : []))[0];
}

async function tell(
  reports: readonly TurnReport[],
  exported: ExportedConversation,
  { conversationId, inbox, isJson }: { conversationId: string; inbox: Inbox; isJson: boolean },
): Promise<number> {
  const count = (result: TurnReport['result']): number => reports.filter((report) => report.result === result).length;
  const summary: Summary = {
    conversationId,
    turns: reports.length,
    same: count('same'),
    different: count('different'),
    skipped: count('skipped'),
    differences: inbox.disorder > 0 ? [`${inbox.disorder} events came out of the order of their ids`] : [],
    notes: [
      ...(inbox.gaps > 0 ? ['events are gone (gap): the rules are not checked'] : []),
      ...(exported.unknown > 0
        ? [`${exported.unknown} events of the export are of a kind that is not known here`]
        : []),
    ],
  };
  if (isJson) await print(`${json({ ...summary, results: reports })}\n`);
  else {
    for (const [index, report] of reports.entries()) await print(showTurn(index + 1, report));
    await print(showSummary(summary));
  }
  if (summary.skipped === summary.turns) throw new CommandFailure('no turn could be replayed');
  return summary.different > 0 || summary.differences.length > 0 ? 1 : 0;
}

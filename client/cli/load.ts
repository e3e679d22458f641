import { type Command, CommandFailure, interrupted, note, print, UsageError, wholeNumber } from './command.ts';
import { json } from './json.ts';
import { compareCounts, readCounts, type ServerComparison } from './load-metrics.ts';
import { LiveTable } from './load-show.ts';
import { type LoadSummary, Tally, table } from './load-tally.ts';
import { type LoadPlan, LoadUser } from './load-user.ts';
import { cutRecording, readRecording } from './say-recording.ts';
import { openSessions, parse, type Sessions, sessionHelp, sessionOptions } from './session.ts';

const options = {
  ...sessionOptions,
  users: { type: 'string' },
  seconds: { type: 'string' },
  rate: { type: 'string' },
  'turns-per-user': { type: 'string' },
  text: { type: 'string' },
  voice: { type: 'string' },
  segments: { type: 'string' },
  timeout: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** Users that connect at the same time. */
const connecting = 20;
/** Seconds between a user's turns, when no rate is given. */
const usualPause = 5;

export const load: Command = {
  summary: 'many users at once, with rates and percentiles',
  help: `usage: npm run parley -- load [options]

Lets many users talk, each over a connection of its own and in a conversation of its own, a turn at a time, and shows how
long it takes until a turn is taken, its first delta comes, and it ends, all from when it was sent. Standard error shows a
table while it runs. At the end the counts are held against the server's /metrics; they differ when others use it too, or
when it has several replicas. Ctrl-C ends it early. The conversations stay.

The server's limits hold for these users as for any: each of them may begin RATE_TURNS_PER_MINUTE turns, and all of them
together, as one address, RATE_ADDRESS_PER_SECOND calls. What it refuses has a line of its own.

  --users N           how many, up to 2000 (10)
  --seconds S         how long turns are begun; those that run are then waited for (10)
  --rate R            turns a second of all users together, or max: each goes on as soon as its turn has ended
                      (a turn every ${usualPause} s of each)
  --turns-per-user N  no more than these
  --text TEXT         what they say; {n} is the number of the turn
  --voice FILE        they say this recording instead, in segments
  --segments N        into how many it is cut (else of about 10 s)
  --timeout SECONDS   how long a turn may take (120)
  --json              the summary as one JSON object
${sessionHelp}
With --token of an access token all of them are one user; with an API key, or without, they are USER-1, USER-2 …`,
  exits: {
    done: 'all turns that were taken were completed',
    failed: 'turns failed, were lost or did not end, or there was none',
  },
  async run(args) {
    const { values } = parse(args, options);
    const users = wholeNumber('users', values.users, { least: 1, most: 2_000 }) ?? 10;
    const seconds = wholeNumber('seconds', values.seconds, { least: 1, most: 86_400 }) ?? 10;
    if (values.segments !== undefined && values.voice === undefined) throw new UsageError('--segments needs --voice');
    if (values.text !== undefined && values.voice !== undefined)
      throw new UsageError('--text and --voice exclude each other');
    const segments = wholeNumber('segments', values.segments, { least: 1, most: 1_000 });
    const plan: LoadPlan = {
      everyMs: everyMs(values.rate, users),
      turnsPerUser: wholeNumber('turns-per-user', values['turns-per-user'], { least: 1, most: 1e9 - 1 }) ?? 1e9,
      text: values.text ?? 'This is turn {n} of a load test.',
      pieces:
        values.voice === undefined ? undefined : await cutRecording(await readRecording(values.voice, true), segments),
      patienceMs: (wholeNumber('timeout', values.timeout, { least: 1, most: 3_600 }) ?? 120) * 1000,
    };
    const stop = interrupted();
    const sessions = await openSessions(values);
    if (!sessions.areDifferent && users > 1) note('the token is one user’s: they all share that user’s limits');
    const tally = new Tally();
    const connected: LoadUser[] = [];
    try {
      await connect(sessions, { users, name: values.user ?? 'load', plan, tally, stop }, connected);
      const before = await readCounts(sessions.url);
      const summary = await run(connected, { seconds, plan, tally, stop });
      const server = before && (await compareCounts(sessions.url, before, summary));
      await print(values.json ? `${json({ ...summary, server: server ?? null })}\n` : shown(summary, server));
      const { completed, failed, lost, unfinished } = summary.turns;
      return completed > 0 && failed + lost + unfinished === 0 ? 0 : 1;
    } finally {
      await Promise.all(connected.map((user) => user.close()));
    }
  },
};

function everyMs(rate: string | undefined, users: number): number {
  if (rate === undefined) return usualPause * 1000;
  if (rate === 'max') return 0;
  const perSecond = Number(rate);
  if (!(perSecond > 0 && perSecond <= 100_000)) throw new UsageError('--rate is turns a second, or max');
  return (users / perSecond) * 1000;
}

interface Crowd {
  users: number;
  name: string;
  plan: LoadPlan;
  tally: Tally;
  stop: AbortSignal;
}

/** Connects all users, a few at a time. @throws ParleyFailure the first one's that cannot */
async function connect(sessions: Sessions, { users, name, plan, tally, stop }: Crowd, connected: LoadUser[]) {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < users && !stop.aborted) {
      const parley = sessions.open(`${name}-${++next}`);
      try {
        connected.push(await LoadUser.connect(parley, plan, tally));
      } catch (error) {
        next = users;
        await parley.close();
        throw error;
      }
    }
  };
  const progress = setInterval(() => note(`${connected.length} of ${users} users connected`), 2_000);
  try {
    await Promise.all(Array.from({ length: Math.min(connecting, users) }, work));
  } finally {
    clearInterval(progress);
  }
  if (stop.aborted) throw new CommandFailure('interrupted');
}

async function run(
  users: readonly LoadUser[],
  { seconds, plan, tally, stop }: Omit<Crowd, 'users' | 'name'> & { seconds: number },
): Promise<LoadSummary> {
  const startedAt = performance.now();
  const elapsed = (): number => (performance.now() - startedAt) / 1000;
  const head = (): string => {
    const running = tally.taken - tally.ended - tally.unfinished;
    const at = elapsed();
    return at < seconds ? `${users.length} users, ${at.toFixed(0)} of ${seconds} s` : `waiting for ${running} turns`;
  };
  const live = new LiveTable(() => ({ head: head(), summary: tally.summary(elapsed()) }));
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), seconds * 1000);
  const ended = AbortSignal.any([stop, over.signal]);
  // Begun evenly: over the time between two turns, or over the first second.
  const spread = plan.everyMs === 0 ? Math.min(1_000, users.length * 10) : plan.everyMs;
  try {
    await Promise.all(users.map((user, index) => user.run((index / users.length) * spread, ended)));
    return tally.summary(elapsed());
  } finally {
    clearTimeout(timer);
    live.stop();
  }
}

function shown(summary: LoadSummary, server: ServerComparison | undefined): string {
  const lines = [`${summary.users} users, ${summary.seconds} s`, table(summary)];
  if (!server) lines.push('server        does not tell its metrics');
  else {
    const { completed, interrupted: stopped, failed, events, refused, agrees } = server;
    const errors = Object.entries(refused).map(([reason, count]) => `, ${reason} ${count}`);
    lines.push(
      `server        completed ${completed}, interrupted ${stopped}, failed ${failed}, events ${events}${errors.join('')}`,
      agrees ? 'its counts agree with these' : 'its counts DIFFER from these: others use it too, or something is lost',
    );
  }
  return `${lines.join('\n')}\n`;
}

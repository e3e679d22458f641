import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Parley } from '../connect.ts';
import { type Command, CommandFailure, interrupted, note, UsageError } from './command.ts';
import { Hearing } from './say-hearing.ts';
import { listenTo } from './say-listen.ts';
import { cutRecording, readRecording } from './say-recording.ts';
import { type Said, sendSegments, sendWhole } from './say-send.ts';
import { openSession, parse, reportLoss, type SessionValues, sessionHelp, sessionOptions } from './session.ts';
import type { Samples } from './wav.ts';

const options = {
  ...sessionOptions,
  conversation: { type: 'string' },
  segments: { type: 'string' },
  out: { type: 'string' },
  timing: { type: 'boolean' },
  json: { type: 'boolean' },
  'no-speech': { type: 'boolean' },
} as const;

export const say: Command = {
  summary: 'say a recording and hear the answer',
  help: `usage: npm run parley -- say FILE [options]

Sends a recording (.wav, .m4a, .webm, .mp3, .ogg, .flac, .aac) and prints what was understood, the answer while it is
being written, and how long things took. The spoken answer is written to a file, or played on a terminal when there is
a program that can (aplay, afplay, play …). Ctrl-C interrupts the answer.

  --conversation ID  in this conversation; else in a new one
  --segments [N]     cut the recording into N segments (else of about 10 s), and send them shuffled, each twice, over
                     two connections: the result is the same
  --out FILE         write the spoken answer there, as WAV
  --no-speech        an answer in text only
  --timing           show the turn as a waterfall
  --json             every event as a line of JSON, its bytes in base64
${sessionHelp}`,
  async run(args) {
    const { values, positionals } = parse(joinSegments(args), options, ['FILE']);
    const { out } = values;
    const isCut = values.segments !== undefined;
    const count = values.segments ? Number(values.segments) : undefined;
    if (count !== undefined && !(Number.isInteger(count) && count > 0)) throw new UsageError('--segments is a number');
    const speak = !values['no-speech'];
    if (out !== undefined && !speak) throw new UsageError('--out and --no-speech exclude each other');
    const recording = await readRecording(positionals[0] ?? '', isCut);
    if (out !== undefined) await access(dirname(out)).catch(() => fail(`there is no folder ${dirname(out)}`));
    const pieces = isCut ? await cutRecording(recording, count) : undefined;
    const signal = interrupted();
    const parley = await openSession(values, reportLoss());
    try {
      const conversationId = await conversationOf(parley, values.conversation);
      const hearing = new Hearing({ ...values, speak });
      // Followed before anything is said, so that nothing of what follows is missed.
      const events = parley.conversation(conversationId).events();
      const said = pieces
        ? await sayInPieces(parley, values, conversationId, pieces, signal)
        : await sendWhole(parley, conversationId, recording, { speak, signal });
      const { turnId } = said;
      const interrupt = (): void => {
        // When it fails the answer goes on, and a second Ctrl-C leaves it.
        parley.trpc.turns.interrupt.mutate({ conversationId, turnId }).catch(() => {});
      };
      if (signal.aborted) interrupt();
      else signal.addEventListener('abort', interrupt);
      let isSilenced = speak || !pieces;
      for await (const event of listenTo(parley, conversationId, events, said)) {
        await hearing.take(event);
        // What is said in segments is answered aloud; here it can only be stopped.
        if (!isSilenced && event.type === 'agent.audio') {
          isSilenced = true;
          parley.trpc.turns.stopSpeaking.mutate({ conversationId }).catch(() => {});
        }
      }
      await hearing.finish(signal);
      if (values.conversation === undefined && !values.json)
        note(`to go on: npm run parley -- say FILE --conversation ${conversationId}`);
      return 0;
    } finally {
      await parley.close();
    }
  },
};

/** `--segments` may stand alone, which the parser of options does not know. */
function joinSegments(args: readonly string[]): string[] {
  const at = args.indexOf('--segments');
  if (at < 0) return [...args];
  const isNumber = /^\d+$/.test(args[at + 1] ?? '');
  const count = isNumber ? args[at + 1] : '';
  return [...args.slice(0, at), `--segments=${count}`, ...args.slice(at + (isNumber ? 2 : 1))];
}

function fail(message: string): never {
  throw new CommandFailure(message);
}

async function conversationOf(parley: Parley, id: string | undefined): Promise<string> {
  if (id === undefined) return (await parley.conversations.create()).id;
  await parley.trpc.conversations.get.query({ conversationId: id });
  return id;
}

async function sayInPieces(
  parley: Parley,
  values: SessionValues,
  conversationId: string,
  pieces: readonly Samples[],
  signal: AbortSignal,
): Promise<Said> {
  const second = await openSession(values);
  try {
    const said = await sendSegments([parley, second], conversationId, pieces, signal);
    const { segments, accepted, duplicates } = said;
    note(`${segments} segments sent twice over two connections: ${accepted} accepted, ${duplicates} duplicates`);
    return said;
  } finally {
    await second.close();
  }
}

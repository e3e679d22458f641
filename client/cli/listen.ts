import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Parley } from '../connect.ts';
import { pause } from '../connection/backoff.ts';
import { type Command, CommandFailure, interrupted, isWatched, note, UsageError, wholeNumber } from './command.ts';
import { follow } from './follow.ts';
import { Answers } from './listen-answers.ts';
import { Endpointer } from './listen-endpoint.ts';
import { microphoneRate, openMicrophone } from './listen-microphone.ts';
import { readSound, type SoundStream } from './listen-stream.ts';
import { Utterances } from './listen-utterances.ts';
import { openSession, parse, reportLoss, sessionHelp, sessionOptions } from './session.ts';

const options = {
  ...sessionOptions,
  conversation: { type: 'string' },
  'sample-rate': { type: 'string' },
  pause: { type: 'string' },
  fast: { type: 'boolean' },
  'no-barge-in': { type: 'boolean' },
  once: { type: 'boolean' },
  out: { type: 'string' },
  timing: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

/** How long the answers that are still due may be silent, in milliseconds. */
const mostSilentMs = 180_000;

export const listen: Command = {
  summary: 'speak with a microphone, or with sound from a pipe',
  help: `usage: npm run parley -- listen [options]
       … | npm run -s parley -- listen [options]

Listens, and tells by the loudness when somebody speaks and when they have ended. What they say is sent in segments while
they speak; the transcript, and the answer while it is being written, are printed. Whoever speaks while an answer is given
interrupts it (barge-in): use headphones, or --no-barge-in.

Sound comes from standard input: a WAV file with 16-bit samples, or bare little-endian 16-bit mono samples. On a terminal it
comes from the microphone, by arecord, parecord, rec, sox or ffmpeg, whichever is there. Answers are played, on a terminal,
when there is aplay, pacat or play. Ctrl-C ends listening; what was said is still answered. A second one leaves at once.

  --conversation ID  in this conversation; else in a new one
  --sample-rate HZ   of bare samples, 8000 to 192000 (${microphoneRate})
  --pause MS         silence after which somebody has ended (800)
  --fast             take the input as fast as it comes, and wait for each answer; else it takes the time of its sound
  --no-barge-in      hear nothing while an answer is given
  --once             leave after the first answer
  --out FILE         write the spoken answers there, as WAV, one after the other
  --timing           show each turn as a waterfall
  --json             every event as a line of JSON, its bytes in base64
${sessionHelp}`,
  exits: {
    done: 'something was said, and answered',
    failed: 'nothing was said, a turn failed, or there is no microphone',
  },
  async run(args) {
    const { values } = parse(args, options);
    const { out, json: isJson = false, timing = false } = values;
    const rate = wholeNumber('sample-rate', values['sample-rate'], { least: 8_000, most: 192_000 }) ?? microphoneRate;
    const pauseMs = wholeNumber('pause', values.pause, { least: 100, most: 10_000 }) ?? 800;
    if (values.fast && values['no-barge-in']) throw new UsageError('--fast has no barge-in: leave out --no-barge-in');
    if (out !== undefined)
      await access(dirname(out)).catch(() => {
        throw new CommandFailure(`there is no folder ${dirname(out)}`);
      });
    const stop = interrupted();
    const microphone = process.stdin.isTTY ? openMicrophone() : undefined;
    stop.addEventListener('abort', () => microphone?.stop());
    const parley = await openSession(values, reportLoss());
    try {
      const conversationId = await conversationOf(parley, values.conversation);
      const answers = new Answers(parley, {
        out,
        json: isJson,
        timing,
        plays: isWatched() && out === undefined && !isJson,
        isWatched: isWatched(),
      });
      const following = follow(parley, conversationId, (tracked) => answers.take(tracked));
      try {
        await following.started;
        if (!isJson) note(`listening${microphone ? ` with ${microphone.name}` : ''} in conversation ${conversationId}`);
        const sound = await readSound(microphone?.bytes ?? standardInput(stop), rate);
        if (!sound) throw new CommandFailure('no sound came');
        const mode = values.fast ? 'fast' : values['no-barge-in'] ? 'patient' : 'live';
        const said = await talk(parley, conversationId, sound, answers, { mode, pauseMs, once: values.once, stop });
        await answers.finish(stop);
        if (said === 0) throw new CommandFailure('nobody spoke');
        return answers.failed > 0 || answers.completed === 0 ? 1 : 0;
      } finally {
        following.stop();
      }
    } finally {
      microphone?.stop();
      await parley.close();
    }
  },
};

/** The bytes of standard input, until it ends or is not wanted any more. */
async function* standardInput(stop: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const close = (): void => void process.stdin.destroy();
  stop.addEventListener('abort', close);
  try {
    yield* process.stdin;
  } catch (error) {
    // What was closed here ends in the middle, and that is its end.
    if (!stop.aborted) throw error;
  } finally {
    stop.removeEventListener('abort', close);
  }
}

async function conversationOf(parley: Parley, id: string | undefined): Promise<string> {
  if (id === undefined) return (await parley.conversations.create()).id;
  await parley.trpc.conversations.get.query({ conversationId: id });
  return id;
}

interface Manner {
  /** `live`: whoever speaks interrupts. `patient`: nothing is heard while an answer is given. `fast`: neither waits for the clock. */
  mode: 'live' | 'patient' | 'fast';
  pauseMs: number;
  once: boolean | undefined;
  stop: AbortSignal;
}

/** Until the sound ends, or the first answer has. Returns how often somebody spoke. */
async function talk(
  parley: Parley,
  conversationId: string,
  sound: SoundStream,
  answers: Answers,
  { mode, pauseMs, once, stop }: Manner,
): Promise<number> {
  let failures = 0;
  const utterances = new Utterances(parley, conversationId, sound.sampleRate, {
    onSent: (turnId) => answers.expect(turnId),
    onFailed({ message, reason }) {
      failures++;
      note(`⚠ what was said is lost: ${message} (${reason})`);
    },
  });
  const answered = async (): Promise<void> => {
    await utterances.settled();
    if (!(await answers.settled(mostSilentMs))) throw new CommandFailure('the answer does not come');
  };
  try {
    const endpointer = new Endpointer(pauseMs);
    const pace = paced(sound.sampleRate);
    for await (const frame of sound.frames) {
      if (mode !== 'fast') await pace(frame.length, stop);
      if (stop.aborted) break;
      if (mode === 'patient' && answers.isSpeaking) continue;
      utterances.push(frame);
      const change = endpointer.push(frame);
      if (change === 'begins') {
        if (answers.isSpeaking) interrupt(parley, conversationId, answers);
        await utterances.begin();
      } else if (change === 'ends') {
        const sent = utterances.end();
        if (mode === 'live' && !once) continue;
        await sent;
        if (mode === 'fast' || once) await answered();
        if (once) break;
      }
    }
    await utterances.end();
    await answered();
    answers.failed += failures;
    return utterances.count;
  } finally {
    await utterances.close();
  }
}

/** Barge-in: silence here at once, and the answer ends where the listener stopped listening. */
function interrupt(parley: Parley, conversationId: string, answers: Answers): void {
  const heard = answers.hush();
  const turnId = answers.running;
  // An answer that was given whole is only not played on; that is reported by the player.
  if (turnId === undefined) return;
  const isHeard = heard?.turnId === turnId;
  parley.trpc.turns.interrupt
    .mutate({
      conversationId,
      turnId,
      ...(isHeard && { heard: { sentence: heard.sentence, playedMs: heard.playedMs } }),
    })
    .catch(() => note('… the answer could not be interrupted'));
}

/** Waits until sound that came before now would have been played: a file is as slow as a voice, a microphone no slower. */
function paced(sampleRate: number): (samples: number, stop: AbortSignal) => Promise<void> {
  const startedAt = performance.now();
  let playedMs = 0;
  return async (samples, stop) => {
    playedMs += (samples / sampleRate) * 1000;
    const aheadMs = startedAt + playedMs - performance.now();
    // Not for every frame: a timer is late by more than one.
    if (aheadMs > 50) await pause(aheadMs, stop);
  };
}

import type { AudioOutput } from '@parley/client/player/output';
import { wavUri } from './wav.ts';

/** What is used of expo-audio's AudioPlaylist: files that are played one after the other. */
export interface Playlist {
  /** Which file is playing, from 0, and how many seconds of it have been. */
  readonly currentIndex: number;
  readonly currentTime: number;
  add(source: { uri: string }): void;
  play(): void;
  destroy(): void;
}

/** Milliseconds of silence between two pieces that are filled in; after a longer one the sound begins anew. */
const mostSilenceMs = 5_000;
/** A file is at least this long before it is handed over, unless it is needed now. Milliseconds. */
const fileMs = { first: 150, next: 600 };
/** How much of a list may be missing at its end, and how long that is waited for. Milliseconds. */
const tail = { ms: 300, patienceMs: 500 };

/** Sound that goes on without a break, as a list of files. */
interface Run {
  readonly playlist: Playlist;
  /** When its first sample is to be heard, and when its last one ends, on the output's clock. */
  readonly startMs: number;
  endMs: number;
  /** When each file ends. */
  readonly fileEndsMs: number[];
}

/**
 * An output on expo-audio. It plays files only, so that pieces of sound are joined to files of some length and played as a
 * list; its clock is how far that list has been played. `createPlaylist` is `() => createAudioPlaylist()` of expo-audio.
 */
export function speakerOutput(
  createPlaylist: () => Playlist,
  wall: () => number = () => performance.now(),
): AudioOutput {
  let run: Run | undefined;
  let held: { samples: Float32Array[]; sampleRate: number; fromMs: number; ms: number } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let latest = 0;
  /** How far the output's clock is behind the wall's, while nothing plays. */
  let behindMs = 0;

  /** On the wall's clock, when the output's last went on. */
  let movedMs = 0;

  const tell = (at: number): number => {
    if (at > latest) {
      latest = at;
      movedMs = wall();
    }
    return latest;
  };

  const now = (): number => {
    if (!run) return tell(wall() - behindMs);
    const at = tell(playedTo(run));
    const { playlist, endMs } = run;
    // A list may stop a little before what its files should last.
    const isStuck = endMs - at < tail.ms && wall() - movedMs > tail.patienceMs;
    if (at < endMs - 1 && !isStuck) return at;
    // Nothing is left to be heard but what the phone itself still holds: time passes by itself again.
    behindMs = wall() - at;
    run = undefined;
    setTimeout(() => playlist.destroy(), tail.patienceMs);
    return at;
  };

  const flush = (): void => {
    clearTimeout(timer);
    if (!held) return;
    const { samples, sampleRate, fromMs, ms } = held;
    held = undefined;
    const startMs = Math.max(fromMs, now());
    run ??= { playlist: createPlaylist(), startMs, endMs: startMs, fileEndsMs: [] };
    run.endMs += ms;
    run.fileEndsMs.push(run.endMs);
    run.playlist.add({ uri: wavUri(samples, sampleRate) });
    run.playlist.play();
  };

  const hold = (samples: Float32Array, sampleRate: number, at: number): void => {
    if (held && held.sampleRate !== sampleRate) flush();
    held ??= { samples: [], sampleRate, fromMs: at, ms: 0 };
    held.samples.push(samples);
    held.ms += (samples.length / sampleRate) * 1000;
    clearTimeout(timer);
    if (held.ms >= (run ? fileMs.next : fileMs.first)) flush();
    // What is held must be there before what plays is over.
    else timer = setTimeout(flush, run ? Math.max(0, (run.endMs - now()) / 2) : fileMs.first);
  };

  return {
    now,
    play(samples, sampleRate, at) {
      const endMs = held ? held.fromMs + held.ms : (run?.endMs ?? Number.NEGATIVE_INFINITY);
      const silenceMs = at - endMs;
      if (silenceMs > mostSilenceMs) flush();
      else if (silenceMs >= 1) hold(new Float32Array(Math.round((silenceMs / 1000) * sampleRate)), sampleRate, endMs);
      hold(samples, sampleRate, Math.max(at, endMs));
    },
    stop() {
      clearTimeout(timer);
      held = undefined;
      const { playlist } = run ?? {};
      behindMs = wall() - now();
      run = undefined;
      playlist?.destroy();
    },
  };
}

function playedTo({ playlist, startMs, endMs, fileEndsMs }: Run): number {
  const { currentIndex, currentTime } = playlist;
  const fileStartMs = currentIndex === 0 ? startMs : (fileEndsMs[currentIndex - 1] ?? endMs);
  return Math.min(fileEndsMs[currentIndex] ?? endMs, fileStartMs + currentTime * 1000);
}

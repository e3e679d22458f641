import type { Sound } from '../speech/port.ts';
import type { VoicePorts } from './ports.ts';

/** Decoded sounds that are transcribed or wait; of further ones only the row waits, and the sound is read again. */
const mostHeld = 12;

/** A decoded sound that is to be transcribed, and its speech, which is looked for meanwhile. */
export interface HeldSound {
  sound: Sound;
  speech: Promise<Sound | undefined>;
  /** It is transcribed, or nobody wants it: its place is free, and nobody looks for its speech. */
  drop(): void;
}

/** Sounds that wait in memory. Speech is looked for ahead of need in these alone, so that a burst of them asks no more of it. */
export class HeldSounds {
  readonly #trim: VoicePorts['trim'];
  readonly #held = new Set<AbortController>();

  constructor(trim: VoicePorts['trim']) {
    this.#trim = trim;
  }

  /** Undefined when there is no place for it. */
  hold(sound: Sound): HeldSound | undefined {
    if (this.#held.size >= mostHeld) return undefined;
    const unwanted = new AbortController();
    this.#held.add(unwanted);
    const speech = this.#trim(sound, unwanted.signal);
    // Whoever transcribes it is told; a segment that is refused meanwhile has nobody to tell.
    speech.catch(() => undefined);
    const drop = (): void => {
      this.#held.delete(unwanted);
      unwanted.abort();
    };
    return { sound, speech, drop };
  }
}

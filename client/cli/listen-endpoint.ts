/** Milliseconds of one frame, the grain at which speech is told from silence. */
export const frameMs = 20;

/** Decibels below full scale: quieter than this nobody speaks, however quiet the room is. */
const quietest = -50;
/** How far speech stands out of the room's noise, in decibels. */
const above = 10;
/** How fast the noise may be found to have become louder, in decibels a frame: 2 a second. */
const rise = 2 / (1000 / frameMs);
/** The noise that is believed at most, so that somebody who speaks from the first moment on is no noise. */
const loudestNoise = -35;
/** So many loud frames of the last ones are speech: a word, and no click. */
const begin = { loud: 5, of: 8 };

/**
 * Endpointing: finds where somebody begins to speak and where they have ended, by the energy of each frame over a noise floor
 * that follows the quietest frames (the idea of Rabiner and Sambur, 1975, with a floor that adapts). Counts the sound's own
 * time, so that it does not matter how quickly it comes.
 */
export class Endpointer {
  readonly #pauseFrames: number;
  readonly #recent: boolean[] = [];
  #floor: number | undefined;
  #isSpeech = false;
  #quiet = 0;

  /** @param pauseMs Silence after which somebody has ended. */
  constructor(pauseMs: number) {
    this.#pauseFrames = Math.max(1, Math.ceil(pauseMs / frameMs));
  }

  /** What changes with this frame of 16-bit samples. */
  push(frame: Int16Array): 'begins' | 'ends' | undefined {
    const level = levelOf(frame);
    const isLoud = this.#isLoud(level);
    this.#recent.push(isLoud);
    if (this.#recent.length > begin.of) this.#recent.shift();
    this.#quiet = isLoud ? 0 : this.#quiet + 1;
    if (this.#isSpeech) {
      if (this.#quiet < this.#pauseFrames) return undefined;
      this.#isSpeech = false;
      this.#recent.length = 0;
      return 'ends';
    }
    if (this.#recent.filter(Boolean).length < begin.loud) return undefined;
    this.#isSpeech = true;
    return 'begins';
  }

  #isLoud(level: number): boolean {
    const floor = Math.min(loudestNoise, this.#floor === undefined ? level : Math.min(level, this.#floor + rise));
    this.#floor = floor;
    return level > Math.max(quietest, floor + above);
  }
}

/** Root mean square in decibels of full scale; of silence −100. */
function levelOf(frame: Int16Array): number {
  let sum = 0;
  for (const sample of frame) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, frame.length)) / 32_768;
  return rms < 1e-5 ? -100 : 20 * Math.log10(rms);
}

import type { BrowserContext, Page } from 'playwright-core';

/**
 * Runs before a page's scripts: whatever they lead to the loudspeakers goes to a track too, where each sample that is not
 * silence is counted. A track's frames wait for a page that is busy. Nothing is loaded that the page's policy would forbid.
 */
const tap = `
(() => {
  const connect = AudioNode.prototype.connect;
  const taps = new WeakMap();
  globalThis.soundPlayed = { seconds: 0 };
  const count = async (track) => {
    const frames = new MediaStreamTrackProcessor({ track, maxBufferSize: 10000 }).readable.getReader();
    for (let { value: frame } = await frames.read(); frame; { value: frame } = await frames.read()) {
      const samples = new Float32Array(frame.numberOfFrames);
      frame.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      const heard = samples.filter((sample) => Math.abs(sample) > 1e-4).length;
      globalThis.soundPlayed.seconds += heard / frame.sampleRate;
      frame.close();
    }
  };
  const tapOf = (context) => {
    const known = taps.get(context);
    if (known) return known;
    const made = context.createMediaStreamDestination();
    taps.set(context, made);
    void count(made.stream.getAudioTracks()[0]);
    return made;
  };
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) connect.call(this, tapOf(this.context));
    return connect.call(this, to, ...rest);
  };
})();`;

/** Counts what the pages of a context really play, sample by sample, at the end of their Web Audio graphs. */
export async function countSound(context: BrowserContext): Promise<void> {
  await context.addInitScript(tap);
}

/** Seconds of sound that a page has played since it was loaded, without silence. */
export async function secondsPlayed(page: Page): Promise<number> {
  return Number(await page.evaluate('globalThis.soundPlayed.seconds'));
}

/** Whether it plays nothing for a while, which is a third of a second of real time. */
export async function playsNothing(page: Page): Promise<boolean> {
  const before = await secondsPlayed(page);
  await page.evaluate('new Promise((resolve) => setTimeout(resolve, 333))');
  return (await secondsPlayed(page)) === before;
}

import { type Browser, chromium } from 'playwright-core';
import type { ChromiumBinary } from './chromium-binary.ts';

export interface BrowserOptions {
  /** A WAV file that the microphone gives, over and over unless `once`. */
  microphone?: { file: string; once?: boolean };
  /** Pages may sound only once somebody has touched them, as where people are. */
  isSilent?: boolean;
}

const quiet = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A page that nobody looks at runs its timers and frames as if somebody did.
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
];

/** Starts this Chromium without a window. Sound plays into nothing, in real time. */
export async function launchChromium(
  { command, env }: ChromiumBinary,
  { microphone, isSilent = false }: BrowserOptions = {},
): Promise<Browser> {
  const fake = microphone
    ? [
        '--use-fake-device-for-media-stream',
        '--use-fake-ui-for-media-stream',
        `--use-file-for-fake-audio-capture=${microphone.file}${microphone.once ? '%noloop' : ''}`,
      ]
    : [];
  return chromium.launch({
    executablePath: command,
    env: { ...process.env, ...env },
    // The sandbox cannot start as root, nor in many containers; the pages are our own.
    chromiumSandbox: false,
    args: [...quiet, ...(isSilent ? [] : ['--autoplay-policy=no-user-gesture-required']), ...fake],
  });
}

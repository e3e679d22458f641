import type { Browser } from 'playwright-core';
import { inject } from 'vitest';
import { type BrowserOptions, launchChromium } from './launch.ts';

/** Why there is no browser, for `skipIf`; undefined when there is one. */
export function missingBrowser(): string | undefined {
  const found = inject('chromium');
  return 'missing' in found ? found.missing : undefined;
}

/** A Chromium of one's own, without a window. Sound plays into nothing, in real time. */
export async function openBrowser(options: BrowserOptions = {}): Promise<Browser> {
  const found = inject('chromium');
  if ('missing' in found) throw new Error(found.missing);
  return launchChromium(found, options);
}

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';

const builder = join(import.meta.dirname, '../../server/boot/build.mjs');

let built: Promise<unknown> | undefined;

/** Builds the console, once a run: what has not changed since is found again in milliseconds. */
export function consoleBuilt(): Promise<unknown> {
  built ??= promisify(execFile)(process.execPath, [builder]);
  return built;
}

/** Fills in the sign-in page, in whatever language it is, and waits for what is behind it. */
export async function signIn(page: Page, token: string): Promise<void> {
  await page.locator('input[type="password"]').fill(token);
  await page.locator('button[type="submit"]').click();
  await page.locator('.workspace').waitFor();
}

import type { Browser, BrowserContext, Page } from 'playwright-core';
import { type App, type AppOptions, startApp } from '../support/app.ts';
import { openBrowser } from '../support/browser.ts';
import type { BrowserOptions } from '../support/launch.ts';
import { consoleBuilt, signIn } from './console.ts';

export interface WindowOptions {
  /** Of the browser, which the console follows; `en-US`. */
  locale?: string;
  colorScheme?: 'light' | 'dark';
  viewport?: { width: number; height: number };
  /** Whether it is touched with fingers. */
  hasTouch?: boolean;
  /** Who is signed in; `ada`. */
  user?: string;
  /** Where the server is reached; its own address. */
  url?: string;
  /** What has to be there before the page is, such as scripts that run before its own. */
  prepare?: (context: BrowserContext) => Promise<void>;
  /** The cookies, stores and settings to be in; new ones otherwise, and then the options above hold. */
  context?: BrowserContext;
}

export interface ConsoleOptions extends WindowOptions {
  microphone?: BrowserOptions['microphone'];
  isSilent?: BrowserOptions['isSilent'];
  /** Variables over those of a test server. */
  env?: Record<string, string>;
  /** As of `startApp`. */
  model?: AppOptions['model'];
}

export interface OpenConsole {
  app: App;
  browser: Browser;
  context: BrowserContext;
  /** Signed in, on the first page. */
  page: Page;
  /** What any page complained of: errors that nobody caught, and what the console of the browser was told as an error. */
  complaints: string[];
  /** Of these the first kind. */
  errors: string[];
  /** Another signed-in page of the same browser and server. */
  open(options?: WindowOptions): Promise<Page>;
  /** Closes the browser, then the server. */
  close(): Promise<void>;
}

/** A server with the built console, a browser, and a page in which somebody has signed in. */
export async function openConsole(options: ConsoleOptions = {}): Promise<OpenConsole> {
  const { env, model, microphone, isSilent = false } = options;
  await consoleBuilt();
  const app = await startApp({ ...(env && { env }), ...(model !== undefined && { model }) });
  const browser = await openBrowser({ isSilent, ...(microphone && { microphone }) });
  const [complaints, errors]: [string[], string[]] = [[], []];
  const heed = (page: Page): void => {
    page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
    page.on('pageerror', ({ message }) => {
      complaints.push(message);
      errors.push(message);
    });
  };
  const open = (window: WindowOptions = {}): Promise<Page> => openWindow(app, browser, heed, window);
  const close = async (): Promise<void> => {
    await browser.close();
    await app.stop();
  };
  try {
    const page = await open(options);
    return { app, browser, context: page.context(), page, complaints, errors, open, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openWindow(
  app: App,
  browser: Browser,
  heed: (page: Page) => void,
  window: WindowOptions,
): Promise<Page> {
  const { locale = 'en-US', colorScheme = 'light', viewport = { width: 1280, height: 860 } } = window;
  const { user = 'ada', url = app.url, hasTouch = false, prepare } = window;
  const context = window.context ?? (await browser.newContext({ locale, colorScheme, viewport, hasTouch }));
  await prepare?.(context);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  heed(page);
  await page.goto(url);
  await signIn(page, await app.token(user));
  return page;
}

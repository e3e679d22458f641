import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/** Where the keyboard's focus is, and whether somebody can see it there. */
export interface Focus {
  tag: string;
  name: string;
  /** An outline on it, on its label, or on what is drawn around it. */
  isVisible: boolean;
  /** In the open dialog, when there is one. */
  isInDialog: boolean;
}

const look = `(() => {
  const element = document.activeElement ?? document.body;
  const labelled = element.getAttribute('aria-labelledby');
  const name =
    element.getAttribute('aria-label') ??
    (labelled ? document.getElementById(labelled)?.textContent : undefined) ??
    element.labels?.[0]?.textContent ??
    element.textContent ?? '';
  const drawn = [element, element.closest('label'), element.closest('.composer')].filter(Boolean);
  const isDrawn = (place) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(place);
    return outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2;
  };
  const { width, height, top, bottom } = element.getBoundingClientRect();
  const isOnScreen = bottom > 0 && top < innerHeight;
  const dialog = document.querySelector('dialog[open]');
  return {
    tag: element.tagName.toLowerCase(),
    name: name.trim(),
    isVisible: element.matches(':focus-visible') && isOnScreen && drawn.some(isDrawn),
    isInDialog: dialog !== null && dialog.contains(element),
  };
})()`;

export const focusOf = (page: Page): Promise<Focus> => page.evaluate<Focus>(look);

/** Something has the focus and shows it. The page's main part has it too when it is new, and needs no outline. */
export async function expectFocus(page: Page, name?: string | RegExp): Promise<void> {
  await expect
    .poll(
      async () => {
        const focus = await focusOf(page);
        return focus.tag === 'main' ? { ...focus, isVisible: true } : focus;
      },
      { timeout: 10_000 },
    )
    .toMatchObject({
      tag: expect.not.stringMatching(/^body$/),
      isVisible: true,
      ...(name !== undefined && { name: typeof name === 'string' ? name : expect.stringMatching(name) }),
    });
}

/** More presses than there are things to come to. */
const most = 60;

/** Presses Tab until what is called so has the focus; it is seen at each step, and never lost. */
export async function tabTo(page: Page, name: string, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  const passed: string[] = [];
  for (let pressed = 0; pressed < most; pressed++) {
    await page.keyboard.press(key);
    const focus = await focusOf(page);
    // Beyond the last one is the browser's own; from there it comes back to the first.
    if (focus.tag === 'body') continue;
    passed.push(`${focus.tag} ${focus.name}`);
    expect(focus, passed.join(' > ')).toMatchObject({ isVisible: true });
    if (focus.name === name) return;
  }
  throw new Error(`Nothing called ${name} can be reached: ${passed.join(' > ')}`);
}

/** Goes all around a dialog by Tab: the focus stays in it. */
export async function expectTrapped(page: Page): Promise<void> {
  const names = new Set<string>();
  for (let pressed = 0; pressed < 12; pressed++) {
    const focus = await focusOf(page);
    // What a browser has of its own around a page is between the last one and the first.
    if (focus.tag !== 'body') {
      expect(focus).toMatchObject({ isInDialog: true, isVisible: true });
      names.add(focus.name);
    }
    await page.keyboard.press('Tab');
  }
  expect(names.size).toBeGreaterThan(1);
}

/** Where the focus goes when what had it is gone, the first that can be seen. A field would open a phone's keyboard. */
const places = () => [
  ...(window.matchMedia('(hover: hover) and (pointer: fine)').matches ? ['.composer textarea'] : []),
  '#main',
  '.sidebar button',
];

function isLost(element: HTMLElement): boolean {
  return !element.isConnected || element.matches(':disabled') || !element.checkVisibility();
}

/**
 * Whoever uses a keyboard or a screen reader goes on from where the focus is, and would have to begin anew at the top of the
 * page whenever a button goes with what it was pressed for.
 */
export function keepFocus(): void {
  let last: HTMLElement | undefined;
  document.addEventListener('focusin', ({ target }) => {
    last = target instanceof HTMLElement ? target : undefined;
  });
  // A click beside everything is meant to leave it.
  document.addEventListener('pointerdown', () => {
    last = undefined;
  });
  new MutationObserver(() => {
    const { activeElement } = document;
    if (!last || (activeElement !== document.body && activeElement !== last) || !isLost(last)) return;
    for (const place of places()) {
      const element = document.querySelector<HTMLElement>(place);
      if (element?.checkVisibility()) return element.focus({ preventScroll: true });
    }
  }).observe(document.body, { subtree: true, childList: true, attributeFilter: ['disabled', 'hidden', 'data-page'] });
}

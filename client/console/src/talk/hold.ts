import { type PointerEvent, type KeyboardEvent as ReactKeyboardEvent, useEffect, useRef } from 'react';

/** A press that is shorter than this begins a recording which the next press ends. Milliseconds. */
const holdMs = 350;

export interface Hold {
  isRecording: boolean;
  start: () => void;
  finish: () => void;
}

/**
 * Hold to talk: pressed down it begins, let go it ends. A short press begins, and another one ends. With a pointer or the
 * keyboard on the button, and with the space bar wherever it has no other use.
 */
export function useHold({ isRecording, start, finish }: Hold) {
  const pressedAt = useRef<number>(undefined);
  const latest = useRef({ isRecording, start, finish });
  useEffect(() => {
    latest.current = { isRecording, start, finish };
  });
  const press = useRef(() => {
    if (latest.current.isRecording) {
      pressedAt.current = undefined;
      latest.current.finish();
      return;
    }
    pressedAt.current = performance.now();
    latest.current.start();
  }).current;
  const release = useRef(() => {
    const since = pressedAt.current;
    pressedAt.current = undefined;
    if (since !== undefined && performance.now() - since >= holdMs) latest.current.finish();
  }).current;

  useEffect(() => {
    const onDown = (event: KeyboardEvent): void => {
      if (event.code !== 'Space' || event.repeat || !isFree(event)) return;
      event.preventDefault();
      press();
    };
    const onUp = (event: KeyboardEvent): void => {
      if (event.code === 'Space' && pressedAt.current !== undefined) release();
    };
    // A key that is let go elsewhere is not told of.
    const onBlur = (): void => release();
    document.addEventListener('keydown', onDown);
    document.addEventListener('keyup', onUp);
    window.addEventListener('blur', onBlur);
    return () => {
      document.removeEventListener('keydown', onDown);
      document.removeEventListener('keyup', onUp);
      window.removeEventListener('blur', onBlur);
    };
  }, [press, release]);

  return {
    onPointerDown(event: PointerEvent<HTMLButtonElement>) {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      press();
    },
    onPointerUp: release,
    onPointerCancel: release,
    onKeyDown(event: ReactKeyboardEvent) {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      if (!event.repeat) press();
    },
    onKeyUp(event: ReactKeyboardEvent) {
      if (event.key === 'Enter') release();
    },
    /** A screen reader's press: neither a pointer nor a key. */
    onClick(event: { detail: number }) {
      if (event.detail === 0 && pressedAt.current === undefined) press();
    },
    onContextMenu: (event: { preventDefault(): void }) => event.preventDefault(),
  };
}

/** Whether the space bar means nothing where the focus is. */
function isFree({ target, defaultPrevented, ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
  if (defaultPrevented || ctrlKey || metaKey || altKey || document.querySelector('dialog[open]')) return false;
  return target instanceof HTMLElement && (target === document.body || target.matches('.log, main'));
}

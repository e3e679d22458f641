import { useCallback, useState } from 'react';

/** What is being written, kept over a reload of the page. */
export function useDraft(conversationId: string): [text: string, setText: (text: string) => void] {
  const key = `parley.draft.${conversationId}`;
  const [text, setText] = useState(() => {
    try {
      return sessionStorage.getItem(key) ?? '';
    } catch {
      return '';
    }
  });
  const change = useCallback(
    (changed: string) => {
      setText(changed);
      try {
        if (changed === '') sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, changed);
      } catch {
        // Not kept over a reload.
      }
    },
    [key],
  );
  return [text, change];
}

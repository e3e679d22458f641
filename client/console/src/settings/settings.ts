import { useSyncExternalStore } from 'react';

/** What a person chose on this device. `auto` follows the browser. */
export interface Settings {
  readonly theme: 'auto' | 'light' | 'dark';
  readonly language: 'auto' | 'en' | 'zh';
  readonly speakAnswers: boolean;
  readonly timeline: boolean;
}

const standard: Settings = { theme: 'auto', language: 'auto', speakAnswers: false, timeline: false };
const key = 'parley.settings';

let current = read();
const listeners = new Set<() => void>();

function read(): Settings {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '{}');
    return parse(typeof kept === 'object' && kept !== null ? kept : {});
  } catch {
    return standard;
  }
}

function parse(kept: object): Settings {
  const { theme, language, speakAnswers, timeline } = { ...standard, ...kept };
  return {
    theme: theme === 'light' || theme === 'dark' ? theme : 'auto',
    language: language === 'en' || language === 'zh' ? language : 'auto',
    speakAnswers: speakAnswers === true,
    timeline: timeline === true,
  };
}

export function changeSettings(changes: Partial<Settings>): void {
  current = { ...current, ...changes };
  try {
    localStorage.setItem(key, JSON.stringify(current));
  } catch {
    // Not kept: it holds until the page is left.
  }
  for (const listener of listeners) listener();
}

export function currentSettings(): Settings {
  return current;
}

/** Returns what ends it. Another window of the page tells its changes too. */
export function onSettings(listener: () => void): () => void {
  const onStorage = (event: StorageEvent): void => {
    if (event.key !== key) return;
    current = read();
    listener();
  };
  listeners.add(listener);
  window.addEventListener('storage', onStorage);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('storage', onStorage);
  };
}

export function useSettings(): Settings {
  return useSyncExternalStore(onSettings, currentSettings);
}

import type { UseConversationResult } from '@parley/client/react';
import { useEffect, useRef } from 'react';

interface Kept {
  turnId: string;
  text: string;
}

function read(key: string): Kept[] {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(key) ?? '[]');
    if (!Array.isArray(value)) return [];
    return value.filter(
      (each: unknown): each is Kept =>
        typeof each === 'object' &&
        each !== null &&
        'turnId' in each &&
        typeof each.turnId === 'string' &&
        'text' in each &&
        typeof each.text === 'string',
    );
  } catch {
    return [];
  }
}

/**
 * Keeps what was said and not sent over a reload of the page, and then sends it: under the same turn's id, so that it is
 * said once, however far it had come.
 */
export function useKeptOutgoing(id: string, { outgoing, data, send }: UseConversationResult): void {
  const key = `parley.outgoing.${id}`;
  const isRestored = useRef(false);
  const { mutate } = send;
  useEffect(() => {
    if (!data || isRestored.current) return;
    isRestored.current = true;
    for (const { turnId, text } of read(key)) mutate({ turnId, content: text, onBusy: 'queue' });
  }, [data, key, mutate]);
  useEffect(() => {
    if (!isRestored.current) return;
    const unsent = outgoing
      .filter(({ status }) => status !== 'sent')
      .flatMap(({ turnId, parts }) => {
        const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
        return text === '' ? [] : [{ turnId, text }];
      });
    try {
      if (unsent.length > 0) sessionStorage.setItem(key, JSON.stringify(unsent));
      else sessionStorage.removeItem(key);
    } catch {
      // Not kept over a reload.
    }
  }, [outgoing, key]);
}

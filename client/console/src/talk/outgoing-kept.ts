import type { Outgoing, UseConversationResult } from '@parley/client/react';
import type { TurnPart } from '@parley/shared/turn';
import { useEffect, useRef } from 'react';

/** All that makes it the same message when it is sent again; the composer wishes for speech by yes or no. */
interface Kept {
  turnId: string;
  parts: TurnPart[];
  speak: boolean;
}

function isPart(value: unknown): value is TurnPart {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  return value.type === 'text'
    ? 'text' in value && typeof value.text === 'string'
    : value.type === 'attachment' && 'attachmentId' in value && typeof value.attachmentId === 'string';
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false;
  if (!('turnId' in value && 'parts' in value && 'speak' in value)) return false;
  const { turnId, parts, speak } = value;
  return typeof turnId === 'string' && Array.isArray(parts) && parts.every(isPart) && typeof speak === 'boolean';
}

function read(key: string): Kept[] {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(key) ?? '[]');
    return Array.isArray(value) ? value.filter(isKept) : [];
  } catch {
    return [];
  }
}

function write(key: string, unsent: readonly Kept[]): void {
  try {
    if (unsent.length > 0) sessionStorage.setItem(key, JSON.stringify(unsent));
    else sessionStorage.removeItem(key);
  } catch {
    // Not kept over a reload.
  }
}

function unsentOf(outgoing: readonly Outgoing[]): Kept[] {
  return outgoing
    .filter(({ status }) => status !== 'sent')
    .map(({ turnId, parts, speak }) => ({ turnId, parts: [...parts], speak: speak === true }));
}

function without(kept: readonly Kept[], others: readonly Kept[]): Kept[] {
  return kept.filter(({ turnId }) => !others.some((other) => other.turnId === turnId));
}

/**
 * Keeps what was said and not sent over a reload of the page, and then sends it: under the same turn's id and as it was, so
 * that it is said once, however far it had come. What is among the messages had come all the way.
 */
export function useKeptOutgoing(id: string, { outgoing, data, send }: UseConversationResult): void {
  const key = `parley.outgoing.${id}`;
  const isRestored = useRef(false);
  const { mutate } = send;
  useEffect(() => {
    if (!data || isRestored.current) return;
    isRestored.current = true;
    const stored = new Set(data.messages.map(({ turnId }) => turnId));
    const unsent = read(key).filter(({ turnId }) => !stored.has(turnId));
    write(key, unsent);
    for (const { turnId, parts, speak } of unsent)
      mutate({ turnId, content: parts, onBusy: 'queue', ...(speak && { speak }) });
  }, [data, key, mutate]);
  useEffect(() => {
    const unsent = unsentOf(outgoing);
    if (isRestored.current) write(key, unsent);
    else if (unsent.length > 0) write(key, [...without(read(key), unsent), ...unsent]);
  }, [outgoing, key]);
}

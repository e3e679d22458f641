import type { UseConversationResult } from '@parley/client/react';
import { openFailures } from '@parley/shared/open-failure';
import type { FailedOutcome } from '@parley/shared/state';

/** One bubble on the screen. */
export interface Line {
  key: string;
  isOwn: boolean;
  text: string;
  /** Said, and not stored yet. */
  isFaint: boolean;
  /** To be sent again. */
  failedTurnId?: string;
  /** What went wrong with a turn. */
  failed?: FailedOutcome;
}

/** A conversation as bubbles, newest first, as an inverted list wants them. */
export function linesOf({ data, outgoing }: Pick<UseConversationResult, 'data' | 'outgoing'>): Line[] {
  const lines: Line[] = [];
  for (const { id, role, parts, unheard } of data?.messages ?? []) {
    const text = parts.map((part) => (part.type === 'text' ? part.text : part.filename)).join('\n');
    // Of an answer that failed before its first word there is nothing to read.
    if (text !== '') lines.push({ key: id, isOwn: role === 'human', text, isFaint: false });
    if (unheard !== undefined) lines.push({ key: `${id}-unheard`, isOwn: false, text: unheard, isFaint: true });
  }
  for (const failed of data ? openFailures(data) : []) {
    const text = failed.message ?? 'The answer failed.';
    lines.push({ key: `${failed.turnId}-failed`, isOwn: false, text, isFaint: true, failed });
  }
  for (const { turnId, parts, status } of outgoing) {
    const text = parts.map((part) => (part.type === 'text' ? part.text : 'Attachment')).join('\n');
    const line = { key: turnId, isOwn: true, text, isFaint: true };
    lines.push(status === 'failed' ? { ...line, failedTurnId: turnId } : line);
  }
  for (const { voiceSessionId, text } of data?.transcripts ?? [])
    lines.push({ key: voiceSessionId, isOwn: true, text, isFaint: true });
  const turn = data?.turn;
  if (turn && turn.messageId === undefined)
    turn.bubbles.forEach((text, index) => {
      lines.push({ key: `${turn.id}-${index}`, isOwn: false, text, isFaint: false });
    });
  return lines.reverse();
}

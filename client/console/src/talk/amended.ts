import type { UseConversationResult } from '@parley/client/react';
import type { MessageInEvent } from '@parley/shared/message';
import { useEffect, useRef, useState } from 'react';

/** Of the last messages: the one that was played last is among them. */
const looked = 4;

/**
 * Messages of which less was heard than was sent: an answer may be whole long before it has been played, so that it is cut
 * when its turn has no events any more. The conversation's own event tells of it, in every window.
 */
export function useAmended({ conversation, data }: UseConversationResult): readonly MessageInEvent[] {
  const [amended, setAmended] = useState<readonly MessageInEvent[]>([]);
  const known = data?.conversation;
  const before = useRef(known);
  useEffect(() => {
    const isFirst = before.current === undefined || before.current === null;
    if (known === before.current) return;
    before.current = known;
    if (isFirst) return;
    const left = new AbortController();
    conversation.messages({ limit: looked, order: 'desc', signal: left.signal }).then(
      ({ items }) => {
        const cut = items.filter(({ status }) => status === 'interrupted');
        setAmended(cut.map((message) => ({ ...message, createdAt: message.createdAt.getTime() })));
      },
      // It is seen when the page is opened the next time.
      () => {},
    );
    return () => left.abort();
  }, [known, conversation]);
  return amended;
}

/** The messages as they are now. Those that did not change stay the same objects. */
export function withAmended(
  messages: readonly MessageInEvent[],
  amended: readonly MessageInEvent[],
): readonly MessageInEvent[] {
  if (amended.length === 0) return messages;
  return messages.map((message) => {
    const other = message.status === 'complete' && amended.find(({ id }) => id === message.id);
    return other || message;
  });
}

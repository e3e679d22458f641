import type { Conversation } from '@parley/shared/conversation';
import { type MouseEvent, memo } from 'react';
import { go, pathOf } from '../route.ts';
import { useStrings } from '../strings/language.tsx';
import { useClock } from '../ui/clock.ts';

export const ListItem = memo(function ListItem({
  conversation,
  isCurrent,
}: {
  conversation: Conversation;
  isCurrent: boolean;
}) {
  const { list } = useStrings();
  const clock = useClock();
  const { id, title, preview, status } = conversation;
  const at = (conversation.lastMessageAt ?? conversation.createdAt).getTime();
  const route = { page: 'conversation', id } as const;
  const onClick = (event: MouseEvent): void => {
    // With a modifier it is a new window's, as with any link.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    go(route);
  };
  return (
    <a className="list-item" href={pathOf(route)} aria-current={isCurrent ? 'page' : undefined} onClick={onClick}>
      <span className="list-title">{title ?? list.untitled}</span>
      <time className="list-time" dateTime={new Date(at).toISOString()}>
        {clock.short(at)}
      </time>
      <span className="list-preview">
        {status === 'ended' && `${list.ended} · `}
        {preview ?? list.noMessages}
      </span>
    </a>
  );
});

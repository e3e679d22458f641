import { useConversations } from '@parley/client/react';
import { useEffect, useState } from 'react';
import { useStrings } from '../strings/language.tsx';
import { Icon, Mark } from '../ui/icon.tsx';
import { ListItem } from './list-item.tsx';
import { useSettled } from './settled.ts';

/** Milliseconds without a key press after which a search is made. */
const typingMs = 250;

export interface SidebarProps {
  current: string | undefined;
  isCreating: boolean;
  onCreate: () => void;
  onSettings: () => void;
  onExpired: () => void;
}

/** All conversations, newest first, with search. */
export function Sidebar({ current, isCreating, onCreate, onSettings, onExpired }: SidebarProps) {
  const strings = useStrings();
  const [search, setSearch] = useState('');
  return (
    <nav className="sidebar" aria-label={strings.list.title}>
      <div className="sidebar-head">
        <div className="brand">
          <Mark size={30} />
          {/* The page's own heading is the conversation's title, where there is one. */}
          {current === undefined ? <h1>Parley</h1> : <p className="brand-name">Parley</p>}
          <button
            type="button"
            className="icon-button"
            aria-label={strings.actions.settings}
            title={strings.actions.settings}
            onClick={onSettings}
          >
            <Icon name="settings" />
          </button>
          <button
            type="button"
            className="icon-button not-for-phone"
            aria-label={strings.list.create}
            title={strings.list.create}
            disabled={isCreating}
            onClick={onCreate}
          >
            <Icon name="plus" size={22} />
          </button>
        </div>
        <div className="search">
          <Icon name="search" size={18} />
          <input
            type="search"
            className="field"
            aria-label={strings.list.search}
            placeholder={strings.list.search}
            maxLength={200}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
        </div>
      </div>
      <List search={search} current={current} onExpired={onExpired} />
      {/* Where a thumb is. */}
      <div className="sidebar-foot">
        <button type="button" className="button primary" disabled={isCreating} onClick={onCreate}>
          <Icon name="plus" />
          {strings.list.create}
        </button>
      </div>
    </nav>
  );
}

function List({ search, current, onExpired }: { search: string; current: string | undefined; onExpired: () => void }) {
  const { list, actions, talk } = useStrings();
  const settled = useSettled(search.trim(), typingMs);
  const query = useConversations({ search: settled, limit: 30 });
  // While another search is made, what the one before it found stays.
  const [before, setBefore] = useState(query.data);
  useEffect(() => {
    if (query.data) setBefore(query.data);
  }, [query.data]);
  const data = query.data ?? before;
  const isExpired = query.error?.reason === 'UNAUTHENTICATED';
  useEffect(() => {
    if (isExpired) onExpired();
  }, [isExpired, onExpired]);
  if (!data)
    return (
      <div className="list">
        <div className="list-note" role="status">
          {query.isError ? list.failed : talk.loading}
        </div>
        {query.isError && (
          <div className="list-more">
            <button type="button" className="button small" onClick={() => void query.refetch()}>
              {talk.retry}
            </button>
          </div>
        )}
      </div>
    );
  return (
    <div className="list">
      {data.items.length === 0 && (
        <p className="list-note" role="status">
          {settled === '' ? list.empty : list.nothingFound(settled)}
        </p>
      )}
      <ul>
        {data.items.map((conversation) => (
          <li key={conversation.id}>
            <ListItem conversation={conversation} isCurrent={conversation.id === current} />
          </li>
        ))}
      </ul>
      {query.hasNextPage && (
        <div className="list-more">
          <button
            type="button"
            className="button small"
            disabled={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            {query.isFetchingNextPage ? talk.loading : list.more}
          </button>
        </div>
      )}
      {query.isFetchNextPageError && <p className="list-note">{actions.failed}</p>}
    </div>
  );
}

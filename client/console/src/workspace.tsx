import { useCreateConversation } from '@parley/client/react';
import { useCallback, useEffect, useState } from 'react';
import { Sidebar } from './list/sidebar.tsx';
import { go, useRoute } from './route.ts';
import type { SignInFailure } from './session/sign-in.tsx';
import { useSettings } from './settings/settings.ts';
import { SettingsDialog } from './settings/settings-dialog.tsx';
import { useStrings } from './strings/language.tsx';
import { useServerLocale } from './strings/locale.ts';
import { ConversationPage } from './talk/conversation-page.tsx';
import { prepareMarkdown } from './talk/markdown.tsx';
import { Banner } from './ui/banner.tsx';
import { Icon, Mark } from './ui/icon.tsx';

/** Everything behind the sign-in: the list on one side, a conversation on the other. */
export function Workspace({ onLeave }: { onLeave: (failure?: SignInFailure) => void }) {
  const strings = useStrings();
  const route = useRoute();
  const { timeline } = useSettings();
  const [hasSettings, setHasSettings] = useState(false);
  const create = useCreateConversation();
  useEffect(prepareMarkdown, []);
  useServerLocale();
  const { mutate } = create;
  const begin = useCallback(
    () => mutate(undefined, { onSuccess: ({ id }) => go({ page: 'conversation', id }) }),
    [mutate],
  );
  const expired = useCallback(() => onLeave('expired'), [onLeave]);
  const isWide = timeline && route.page === 'conversation';
  return (
    <div className={isWide ? 'workspace with-timeline' : 'workspace'} data-page={route.page}>
      <a className="skip" href="#main">
        {strings.talk.log}
      </a>
      <Sidebar
        current={route.page === 'conversation' ? route.id : undefined}
        isCreating={create.isPending}
        onCreate={begin}
        onSettings={() => setHasSettings(true)}
        onExpired={expired}
      />
      {route.page === 'conversation' ? (
        <ConversationPage key={route.id} id={route.id} onExpired={expired} />
      ) : (
        <main id="main" tabIndex={-1} className="main">
          <Banner />
          <div className="home">
            <Mark size={56} />
            <h2>{strings.welcome.title}</h2>
            <p>{strings.welcome.lead}</p>
            <button type="button" className="button primary" disabled={create.isPending} onClick={begin}>
              <Icon name="plus" />
              {strings.list.create}
            </button>
            {create.isError && <p className="error">{strings.actions.failed}</p>}
          </div>
        </main>
      )}
      {hasSettings && <SettingsDialog onClose={() => setHasSettings(false)} onSignOut={() => onLeave()} />}
    </div>
  );
}

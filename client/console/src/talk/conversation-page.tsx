import { useConversation, usePlayer, useTurns } from '@parley/client/react';
import { initialState } from '@parley/shared/state';
import { useEffect, useMemo, useRef } from 'react';
import { go } from '../route.ts';
import { changeSettings, useSettings } from '../settings/settings.ts';
import { useStrings } from '../strings/language.tsx';
import { TimelinePanel } from '../timeline/timeline-panel.tsx';
import { Banner } from '../ui/banner.tsx';
import { useAmended, withAmended } from './amended.ts';
import { Announcer } from './announcer.tsx';
import { Composer } from './composer.tsx';
import { FailureNote } from './failure-note.tsx';
import { Header } from './header.tsx';
import { MessageLog } from './message-log.tsx';
import { useKeptOutgoing } from './outgoing-kept.ts';
import { messageRows, openRows } from './rows.ts';
import { useSoundOutput } from './sound-output.ts';

const none: never[] = [];
/** What is said before anything could be loaded is shown too. */
const unseen = initialState();

/** One conversation, live. */
export function ConversationPage({ id, onExpired }: { id: string; onExpired: () => void }) {
  const strings = useStrings();
  const { speakAnswers, timeline } = useSettings();
  const conversation = useConversation(id);
  const turns = useTurns(id);
  const sound = useSoundOutput();
  const player = usePlayer({ conversationId: id, output: sound });
  const { data, error, status, outgoing, interrupt } = conversation;
  useKeptOutgoing(id, conversation);

  const messages = data?.messages ?? none;
  const amended = useAmended(conversation);
  const isWhole = !conversation.hasPreviousPage;
  const stored = useMemo(() => messageRows(withAmended(messages, amended), isWhole), [messages, amended, isWhole]);
  const rows = useMemo(() => [...stored, ...openRows(data ?? unseen, outgoing)], [stored, data, outgoing]);

  // On an empty conversation the agent speaks first, however often it is asked.
  const isEmpty = status === 'success' && data.status === 'active' && messages.length === 0 && data.turn === null;
  const { mutate: open } = conversation.open;
  const isOpened = useRef(false);
  useEffect(() => {
    if (!isEmpty || isOpened.current) return;
    isOpened.current = true;
    open({ speak: speakAnswers });
  }, [isEmpty, open, speakAnswers]);

  const isExpired = error?.reason === 'UNAUTHENTICATED';
  useEffect(() => {
    if (isExpired) onExpired();
  }, [isExpired, onExpired]);

  const title = data?.conversation?.title ?? undefined;
  useEffect(() => {
    document.title = title === undefined ? 'Parley' : `${title} · Parley`;
    return () => {
      document.title = 'Parley';
    };
  }, [title]);

  const isBusy = data?.turn != null || player.state !== 'idle';
  const { mutate: stop } = interrupt;
  useEffect(() => {
    if (!isBusy) return;
    const onKeyDown = (event: KeyboardEvent): void => {
      if (isInterruption(event)) stop(undefined);
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [isBusy, stop]);

  if (data?.status === 'deleted') return <Gone text={strings.talk.deleted} />;
  if (status === 'error' && !data) {
    const isThere = error.reason !== 'NOT_FOUND' && error.reason !== 'INVALID_INPUT';
    return isThere ? (
      <Gone text={strings.talk.failedToLoad} onRetry={conversation.refetch} />
    ) : (
      <Gone text={strings.talk.notFound} />
    );
  }
  return (
    <>
      <main id="main" tabIndex={-1} className="main" aria-busy={status === 'pending'}>
        <Header conversation={conversation} />
        <Banner />
        <MessageLog
          rows={rows}
          isPending={status === 'pending'}
          turns={turns}
          conversation={conversation}
          isSpeaking={player.state === 'playing'}
        />
        {status === 'error' && <FailureNote code={error.reason} onRetry={conversation.refetch} />}
        <Composer
          conversation={conversation}
          player={player}
          isBusy={isBusy}
          isEnded={data?.status === 'ended'}
          speakAnswers={speakAnswers}
        />
        <Announcer turns={turns} />
      </main>
      {timeline && <TimelinePanel turns={turns} onClose={() => changeSettings({ timeline: false })} />}
    </>
  );
}

function Gone({ text, onRetry }: { text: string; onRetry?: () => void }) {
  const { talk } = useStrings();
  return (
    <main id="main" tabIndex={-1} className="main">
      <Banner />
      <div className="home" role="alert">
        <h1>{text}</h1>
        {onRetry && (
          <button type="button" className="button primary" onClick={onRetry}>
            {talk.retry}
          </button>
        )}
        <button type="button" className="button" onClick={() => go({ page: 'home' })}>
          {talk.toList}
        </button>
      </div>
    </main>
  );
}

/** Escape, where it does not close or clear something that somebody is busy with. */
function isInterruption({ key, defaultPrevented, isComposing, target }: KeyboardEvent): boolean {
  if (key !== 'Escape' || defaultPrevented || isComposing || document.querySelector('dialog[open]')) return false;
  return !(target instanceof HTMLInputElement && target.value !== '');
}

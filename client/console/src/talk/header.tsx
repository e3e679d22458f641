import type { UseConversationResult } from '@parley/client/react';
import { limits } from '@parley/shared/limits';
import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { go } from '../route.ts';
import { changeSettings, useSettings } from '../settings/settings.ts';
import { useStrings } from '../strings/language.tsx';
import { timelineToggle } from '../timeline/timeline-panel.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu, type MenuItem } from '../ui/menu.tsx';

type Asked = 'rename' | 'end' | 'delete';

/** The conversation's title, and what can be done with it. */
export function Header({ conversation }: { conversation: UseConversationResult }) {
  const { list, actions } = useStrings();
  const { timeline } = useSettings();
  const [asked, setAsked] = useState<Asked>();
  const { data, rename, end, remove } = conversation;
  const title = data?.conversation?.title ?? '';
  const close = (): void => setAsked(undefined);
  const isEnded = data?.status === 'ended';
  const items: MenuItem[] = [
    { label: actions.rename, icon: 'pencil', onChoose: () => setAsked('rename') },
    ...(isEnded ? [] : [{ label: actions.end, icon: 'flag' as const, onChoose: () => setAsked('end') }]),
    { label: actions.delete, icon: 'trash', danger: true, onChoose: () => setAsked('delete') },
  ];
  return (
    <header className="top">
      <button
        type="button"
        className="icon-button for-phone"
        aria-label={list.open}
        title={list.open}
        onClick={() => go({ page: 'home' })}
      >
        <Icon name="menu" />
      </button>
      <div className="top-title">
        <h1 title={title}>{title || list.untitled}</h1>
      </div>
      {isEnded && <span className="badge">{list.ended}</span>}
      <button
        id={timelineToggle}
        type="button"
        className="icon-button"
        aria-label={actions.timeline}
        title={actions.timeline}
        aria-pressed={timeline}
        onClick={() => changeSettings({ timeline: !timeline })}
      >
        <Icon name="timeline" />
      </button>
      <Menu label={actions.more} icon="more" items={items} />
      {asked === 'rename' && (
        <Rename
          title={title}
          isPending={rename.isPending}
          hasFailed={rename.isError}
          onClose={close}
          onRename={(chosen) => rename.mutate(chosen, { onSuccess: close })}
        />
      )}
      {asked === 'end' && (
        <Confirm
          title={actions.endTitle}
          body={actions.endBody}
          action={actions.end}
          isPending={end.isPending}
          hasFailed={end.isError}
          onClose={close}
          onConfirm={() => end.mutate(undefined, { onSuccess: close })}
        />
      )}
      {asked === 'delete' && (
        <Confirm
          title={actions.deleteTitle}
          body={actions.deleteBody}
          action={actions.delete}
          isDangerous
          isPending={remove.isPending}
          hasFailed={remove.isError}
          onClose={close}
          onConfirm={() => remove.mutate(undefined, { onSuccess: () => go({ page: 'home' }, { replace: true }) })}
        />
      )}
    </header>
  );
}

function Rename({
  title,
  isPending,
  hasFailed,
  onClose,
  onRename,
}: {
  title: string;
  isPending: boolean;
  hasFailed: boolean;
  onClose: () => void;
  onRename: (title: string) => void;
}) {
  const { actions } = useStrings();
  const [chosen, setChosen] = useState(title);
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (chosen.trim() !== '') onRename(chosen.trim());
  };
  return (
    <Dialog title={actions.renameTitle} onClose={onClose}>
      <form onSubmit={submit}>
        <label htmlFor={id} className="sr-only">
          {actions.title}
        </label>
        <input
          id={id}
          className="field"
          required
          maxLength={limits.titleCharacters}
          value={chosen}
          onChange={(event) => setChosen(event.target.value)}
        />
        <Actions hasFailed={hasFailed} onCancel={onClose}>
          <button type="submit" className="button primary" disabled={isPending}>
            {actions.save}
          </button>
        </Actions>
      </form>
    </Dialog>
  );
}

function Confirm({
  title,
  body,
  action,
  isDangerous = false,
  isPending,
  hasFailed,
  onClose,
  onConfirm,
}: {
  title: string;
  body: string;
  action: string;
  isDangerous?: boolean;
  isPending: boolean;
  hasFailed: boolean;
  onClose: () => void;
  onConfirm: () => void;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{body}</p>
      <Actions hasFailed={hasFailed} onCancel={onClose}>
        <button
          type="button"
          className={isDangerous ? 'button danger' : 'button primary'}
          disabled={isPending}
          onClick={onConfirm}
        >
          {action}
        </button>
      </Actions>
    </Dialog>
  );
}

/** The end of a dialog that does something: whether that failed, and the way out beside the way on. */
function Actions({ hasFailed, onCancel, children }: { hasFailed: boolean; onCancel: () => void; children: ReactNode }) {
  const { actions } = useStrings();
  return (
    <>
      {hasFailed && (
        <p className="error" role="alert">
          {actions.failed}
        </p>
      )}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onCancel}>
          {actions.cancel}
        </button>
        {children}
      </div>
    </>
  );
}

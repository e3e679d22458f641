import type { UseConversationResult, UsePlayerResult } from '@parley/client/react';
import { limits } from '@parley/shared/limits';
import type { TurnPart } from '@parley/shared/turn';
import { type ClipboardEvent, type DragEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { changeSettings } from '../settings/settings.ts';
import { useStrings } from '../strings/language.tsx';
import { Icon } from '../ui/icon.tsx';
import { ComposerFiles } from './composer-files.tsx';
import { useDraft } from './draft.ts';
import { useHold } from './hold.ts';
import { useRecording } from './recording.ts';
import { RecordingBar } from './recording-bar.tsx';
import { useUploads } from './uploads.ts';

export interface ComposerProps {
  conversation: UseConversationResult;
  player: UsePlayerResult;
  isBusy: boolean;
  isEnded: boolean;
  speakAnswers: boolean;
}

/** Where somebody writes or speaks. */
export function Composer({ conversation, player, isBusy, isEnded, speakAnswers }: ComposerProps) {
  const strings = useStrings();
  if (isEnded)
    return (
      <div className="bottom">
        <p className="over-note">{strings.composer.ended}</p>
      </div>
    );
  return <OpenComposer conversation={conversation} player={player} isBusy={isBusy} speakAnswers={speakAnswers} />;
}

function OpenComposer({ conversation, player, isBusy, speakAnswers }: Omit<ComposerProps, 'isEnded'>) {
  const strings = useStrings();
  const { composer, voice } = strings;
  const { id } = conversation.conversation;
  const [text, setText] = useDraft(id);
  const { uploads, add, remove, clear } = useUploads();
  const [isOver, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const recording = useRecording(id, isBusy, conversation.interrupt, player);
  const isRecording = recording.state === 'recording' || recording.state === 'starting';
  const start = (): void => {
    // Not disabled meanwhile: the focus stays where the next thing is said.
    if (recording.state !== 'sending') recording.start();
  };
  const hold = useHold({ isRecording, start, finish: recording.finish });

  const isTooLong = text.length > limits.turnCharacters;
  const ready = uploads.filter(({ status }) => status === 'ready');
  const isWaiting = uploads.some(({ status }) => status === 'uploading');
  const hasContent = text.trim() !== '' || ready.length > 0;
  const canSend = hasContent && !isWaiting && !isTooLong;

  const send = (): void => {
    if (!canSend) return;
    const parts: TurnPart[] = ready.map(({ id: attachmentId }) => ({ type: 'attachment', attachmentId }));
    if (text.trim() !== '') parts.push({ type: 'text', text: text.trim() });
    player.enable().catch(() => {});
    if (player.state !== 'idle') player.stop();
    conversation.send.mutate({
      content: parts,
      onBusy: conversation.data?.turn ? 'interrupt' : 'queue',
      ...(speakAnswers && { speak: true }),
    });
    setText('');
    clear();
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // While characters are being composed, Enter chooses among them; 229 is what some browsers say instead.
    const isComposing = event.nativeEvent.isComposing || event.keyCode === 229;
    if (event.key !== 'Enter' || event.shiftKey || isComposing) return;
    event.preventDefault();
    send();
  };
  const onPaste = (event: ClipboardEvent): void => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    add(event.clipboardData.files);
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  };
  const { cancel } = recording;
  useEffect(() => {
    if (!isRecording) return;
    const onEscape = (event: globalThis.KeyboardEvent): void => {
      if (event.key === 'Escape') cancel();
    };
    document.addEventListener('keydown', onEscape);
    return () => document.removeEventListener('keydown', onEscape);
  }, [isRecording, cancel]);
  // A keyboard that covers half of a phone is opened only by whoever touches the field.
  useEffect(() => {
    if (window.matchMedia('(hover: hover) and (pointer: fine)').matches) field.current?.focus({ preventScroll: true });
  }, []);

  const isSpeaking = player.state === 'playing';
  return (
    <div className="bottom">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping files here is a second way to what a button does. */}
      <div
        className={isOver ? 'composer is-over' : 'composer'}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
      >
        <ComposerFiles uploads={uploads} onRemove={remove} />
        {isRecording ? (
          <RecordingBar recording={recording} />
        ) : (
          <textarea
            ref={field}
            rows={1}
            aria-label={composer.message}
            aria-describedby="composer-hint"
            aria-invalid={isTooLong}
            placeholder={composer.placeholder}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={onKeyDown}
            onPaste={onPaste}
          />
        )}
        <div className="composer-actions">
          <input
            ref={files}
            type="file"
            multiple
            hidden
            onChange={(event) => {
              add(event.target.files ?? []);
              event.target.value = '';
            }}
          />
          <button
            type="button"
            className="icon-button"
            aria-label={composer.attach}
            title={composer.attach}
            onClick={() => files.current?.click()}
          >
            <Icon name="clip" />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={voice.answers}
            title={speakAnswers ? voice.answersOn : voice.answersOff}
            aria-pressed={speakAnswers}
            onClick={() => changeSettings({ speakAnswers: !speakAnswers })}
          >
            <Icon name="speaker" />
          </button>
          {isSpeaking && (
            <button type="button" className="button small" onClick={() => conversation.stopSpeaking.mutate()}>
              <Icon name="mute" size={16} />
              {voice.stopSpeaking}
            </button>
          )}
          <span className="grow" />
          {isBusy && !isRecording && (
            <button
              type="button"
              className="round quiet"
              aria-label={composer.stop}
              title={composer.stop}
              onClick={() => conversation.interrupt.mutate(undefined)}
            >
              <Icon name="stop" />
            </button>
          )}
          <button
            type="button"
            className={isRecording ? 'round talk-button' : 'round quiet talk-button'}
            aria-label={isRecording ? voice.sendRecording : voice.hold}
            title={isRecording ? voice.sendRecording : voice.holdHint}
            aria-disabled={recording.state === 'sending'}
            {...hold}
          >
            <Icon name={isRecording ? 'send' : 'mic'} />
          </button>
          {!isRecording && (
            <button
              type="button"
              className="round"
              aria-label={composer.send}
              title={composer.send}
              disabled={!canSend}
              onClick={send}
            >
              <Icon name="send" />
            </button>
          )}
        </div>
      </div>
      <div role="status">
        {isTooLong && <p className="composer-note error">{composer.tooLong(limits.turnCharacters.toLocaleString())}</p>}
        {recording.state === 'sending' && <p className="composer-note">{voice.sending}</p>}
        {player.state === 'blocked' && <p className="composer-note">{voice.blocked}</p>}
        {recording.problem && (
          <p className="composer-note error">
            {recording.problem(strings)}{' '}
            {recording.canRetry && (
              <button type="button" className="text-button" onClick={recording.retry}>
                {voice.retry}
              </button>
            )}
          </p>
        )}
      </div>
      <p id="composer-hint" className="hint">
        {composer.hint}
      </p>
    </div>
  );
}

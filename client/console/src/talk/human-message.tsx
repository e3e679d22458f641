import type { Outgoing } from '@parley/client/react';
import { explain } from '@parley/shared/explain';
import type { MessageInEvent } from '@parley/shared/message';
import type { Transcript } from '@parley/shared/state';
import { memo, type ReactNode } from 'react';
import { useLanguage, useStrings } from '../strings/language.tsx';
import { useClock } from '../ui/clock.ts';
import { Icon } from '../ui/icon.tsx';
import { Attachment } from './attachment.tsx';

/** What somebody said: as they wrote it, never as markdown. */
export const HumanMessage = memo(function HumanMessage({ message }: { message: MessageInEvent }) {
  const { talk } = useStrings();
  const clock = useClock();
  const texts = message.parts.flatMap((part, index) => (part.type === 'text' ? [{ index, text: part.text }] : []));
  const files = message.parts.flatMap((part) => (part.type === 'attachment' ? [part] : []));
  return (
    <Said label={`${talk.you}, ${clock.time(message.createdAt)}`}>
      {files.length > 0 && (
        <div className="attachments">
          {files.map(({ attachmentId, kind, filename }) => (
            <Attachment key={attachmentId} attachment={{ id: attachmentId, kind, filename }} />
          ))}
        </div>
      )}
      {texts.map(({ index, text }) => (
        <div key={index} className="bubble">
          {text}
        </div>
      ))}
      <div className="meta">
        {message.kind === 'audio' && (
          <span>
            <Icon name="mic" size={14} />
            {talk.spoken(clock.duration(message.durationMs ?? 0))}
          </span>
        )}
        <time dateTime={new Date(message.createdAt).toISOString()}>{clock.time(message.createdAt)}</time>
      </div>
    </Said>
  );
});

/** What is said and not stored yet. */
export function OutgoingMessage({
  outgoing,
  onResend,
  onDiscard,
}: {
  outgoing: Outgoing;
  onResend: (turnId: string) => void;
  onDiscard: (turnId: string) => void;
}) {
  const { talk } = useStrings();
  const language = useLanguage();
  const text = outgoing.parts
    .map((part) => (part.type === 'text' ? part.text : ''))
    .join('\n')
    .trim();
  const files = outgoing.parts.filter((part) => part.type === 'attachment').length;
  return (
    <Said label={talk.you}>
      {files > 0 && (
        <div className="meta">
          <Icon name="clip" size={14} />
          {files}
        </div>
      )}
      {text !== '' && <div className="bubble">{text}</div>}
      {outgoing.status === 'failed' ? (
        <div className="failure" role="alert">
          <p>
            {talk.notSent} {explain(outgoing.failure.reason, language)}
          </p>
          <button type="button" className="button small" onClick={() => onDiscard(outgoing.turnId)}>
            {talk.discard}
          </button>
          <button type="button" className="button small" onClick={() => onResend(outgoing.turnId)}>
            {talk.sendAgain}
          </button>
        </div>
      ) : (
        <div className="meta">{outgoing.status === 'waiting' ? talk.waiting : talk.sending}</div>
      )}
    </Said>
  );
}

/** What is being written down of a recording. */
export function TranscriptMessage({ transcript }: { transcript: Transcript }) {
  const { talk } = useStrings();
  return (
    <Said label={talk.you}>
      {transcript.text !== '' && <div className="bubble">{transcript.text}</div>}
      <div className="meta">{talk.transcribing}</div>
    </Said>
  );
}

function Said({ label, children }: { label: string; children: ReactNode }) {
  return (
    <article className="message human" aria-label={label}>
      {children}
    </article>
  );
}

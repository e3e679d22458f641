import { useTurns } from '@parley/client/react';
import type { MessageInEvent, Reference } from '@parley/shared/message';
import type { RunningTurn } from '@parley/shared/state';
import { memo, type RefObject, useEffect, useRef } from 'react';
import { useStrings } from '../strings/language.tsx';
import { useClock } from '../ui/clock.ts';
import { Icon } from '../ui/icon.tsx';
import { Attachment, type ShownAttachment } from './attachment.tsx';
import { FailureNote } from './failure-note.tsx';
import { Markdown } from './markdown.tsx';
import { Pending } from './pending.tsx';
import { light, rangeOf, type Sentence } from './spoken.ts';

export interface AgentMessageProps {
  /** As it comes, or as it is stored. */
  answer: MessageInEvent | RunningTurn;
  turnId: string;
  canRetry: boolean;
  spoken: Sentence | undefined;
  sentences: readonly Sentence[] | undefined;
  onRetry: (turnId: string) => void;
}

interface Shown {
  bubbles: readonly string[];
  attachments: readonly ShownAttachment[];
  reference: Reference | undefined;
  tools: RunningTurn['tools'];
  stored: MessageInEvent | undefined;
}

export const AgentMessage = memo(function AgentMessage(props: AgentMessageProps) {
  const { answer, turnId, canRetry, spoken, sentences, onRetry } = props;
  const { talk } = useStrings();
  const clock = useClock();
  const element = useRef<HTMLDivElement>(null);
  const { bubbles, attachments, reference, tools, stored } = shownOf(answer);
  useSpoken(element, bubbles, spoken, sentences);
  const time = stored && clock.time(stored.createdAt);
  // What was heard of a sentence and the rest of it are one paragraph.
  const unheard = stored?.unheard?.trim() ? stored.unheard : undefined;
  const whole = unheard === undefined ? bubbles.length : bubbles.length - 1;
  const isEmpty = bubbles.every((bubble) => bubble === '');
  return (
    <article
      className="message agent"
      aria-label={time === undefined ? talk.agent : `${talk.agent}, ${time}`}
      aria-busy={stored === undefined}
      data-turn={turnId}
      data-status={stored?.status ?? 'running'}
      data-speaking={spoken?.sentence}
    >
      {tools.map(({ toolCallId, name, result }) => (
        <p key={toolCallId} className="meta">
          <Icon name={result === undefined ? 'settings' : 'check'} size={14} />
          {result === undefined ? talk.tool(name) : talk.toolDone(name)}
        </p>
      ))}
      <div ref={element} className="answer">
        {/* biome-ignore-start lint/suspicious/noArrayIndexKey: a bubble's place is its name. */}
        {bubbles.slice(0, whole).map((bubble, index) => bubble !== '' && <Markdown key={index} text={bubble} />)}
        {/* biome-ignore-end lint/suspicious/noArrayIndexKey: a bubble's place is its name. */}
        {unheard !== undefined && (
          <div className="cut">
            <Markdown text={bubbles[whole] ?? ''} />
            <div className="unheard">
              <span className="sr-only">{talk.unheard} </span>
              <Markdown text={unheard} />
            </div>
          </div>
        )}
      </div>
      {!stored && isEmpty && <Pending text={talk.thinking} />}
      {reference && <Card reference={reference} />}
      {attachments.length > 0 && (
        <div className="attachments">
          {attachments.map((attachment) => (
            <Attachment key={attachment.id} attachment={attachment} />
          ))}
        </div>
      )}
      {stored?.status === 'failed' && (
        <Failure message={stored} {...(canRetry && { onRetry: () => onRetry(turnId) })} />
      )}
      {stored && (
        <div className="meta">
          <time dateTime={new Date(stored.createdAt).toISOString()}>{time}</time>
          {stored.status === 'interrupted' && <span>{talk.interrupted}</span>}
          {stored.status === 'interrupted' && canRetry && (
            <button type="button" className="text-button" onClick={() => onRetry(turnId)}>
              {talk.retry}
            </button>
          )}
        </div>
      )}
    </article>
  );
});

function shownOf(answer: MessageInEvent | RunningTurn): Shown {
  if ('bubbles' in answer) {
    const { bubbles, attachments, reference, tools } = answer;
    return { bubbles, attachments, reference, tools, stored: undefined };
  }
  return {
    bubbles: answer.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])),
    attachments: answer.parts.flatMap((part) =>
      part.type === 'attachment' ? [{ id: part.attachmentId, kind: part.kind, filename: part.filename }] : [],
    ),
    reference: answer.reference,
    tools: [],
    stored: answer,
  };
}

/** Lights the sentence that is being heard, also while the text around it grows. */
function useSpoken(
  element: RefObject<HTMLDivElement | null>,
  bubbles: readonly string[],
  spoken: Sentence | undefined,
  sentences: readonly Sentence[] | undefined,
): void {
  useEffect(() => {
    if (!spoken || !sentences) return;
    const shown = bubbles.slice(0, spoken.bubble).filter((bubble) => bubble !== '').length;
    const place = element.current?.querySelectorAll('.markdown')[shown];
    const before = sentences
      .filter((each) => each.bubble === spoken.bubble && each.sentence < spoken.sentence)
      .map(({ text }) => text)
      .join('');
    light('spoken', place && rangeOf(place, before, spoken.text));
  }, [element, bubbles, spoken, sentences]);
  const isSpoken = spoken !== undefined;
  useEffect(() => {
    if (isSpoken) return () => light('spoken', undefined);
  }, [isSpoken]);
}

function Card({ reference: { title, summary, url } }: { reference: Reference }) {
  const { talk } = useStrings();
  const isSafe = url !== undefined && /^https?:\/\//i.test(url);
  return (
    <aside className="card" aria-label={title}>
      <h3>{title}</h3>
      <p>{summary}</p>
      {isSafe && (
        <p>
          <a href={url} target="_blank" rel="noopener noreferrer nofollow">
            {talk.source}
          </a>
        </p>
      )}
    </aside>
  );
}

function Failure({ message, onRetry }: { message: MessageInEvent; onRetry?: () => void }) {
  const { talk } = useStrings();
  const turns = useTurns(message.conversationId);
  const code = turns.find(({ id }) => id === message.turnId)?.failure?.code;
  const text = message.parts.length > 0 ? talk.partly : talk.failed;
  return <FailureNote code={code} message={text} {...(onRetry && { onRetry })} />;
}

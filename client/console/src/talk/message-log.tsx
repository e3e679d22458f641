import { type TurnRecord, type UseConversationResult, useResendRecording } from '@parley/client/react';
import type { Reason } from '@parley/shared/reason';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef } from 'react';
import { useStrings } from '../strings/language.tsx';
import { Icon } from '../ui/icon.tsx';
import { type RowActions, RowView } from './row-view.tsx';
import type { Row } from './rows.ts';

/** Pixels from the end within which the log follows what comes. */
const nearPx = 96;
/** Pixels that a way to the newest messages is glided over. */
const glidePx = 4_000;
/** Rows before the first that is shown at which the page before is loaded. */
const earlyRows = 12;

export interface MessageLogProps {
  rows: readonly Row[];
  isPending: boolean;
  turns: readonly TurnRecord[];
  conversation: UseConversationResult;
  isSpeaking: boolean;
}

/**
 * The messages, of which only those that can be seen are on the page. It stays at the end while answers come in, unless
 * somebody has scrolled up; earlier pages come in without a jump.
 */
export function MessageLog({ rows, isPending, turns, conversation, isSpeaking }: MessageLogProps) {
  const { talk } = useStrings();
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => {
      const row = rows[index];
      if (row?.type === 'message') return row.height;
      return row?.type === 'day' ? 37 : 72;
    },
    getItemKey: useCallback((index: number) => rows[index]?.key ?? index, [rows]),
    overscan: 4,
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: nearPx,
    paddingStart: 16,
    paddingEnd: 16,
  });
  const items = virtualizer.getVirtualItems();
  const first = items[0]?.index;

  const isFilled = rows.length > 0;
  useLayoutEffect(() => {
    if (isFilled) virtualizer.scrollToEnd();
  }, [isFilled, virtualizer]);

  useStayAtEnd(scroller);

  // Whoever says something wants to see what becomes of it.
  const said = conversation.outgoing.at(-1)?.turnId;
  useLayoutEffect(() => {
    if (said !== undefined) virtualizer.scrollToEnd();
  }, [said, virtualizer]);

  const { hasPreviousPage, isFetchingPreviousPage, previousPageError, fetchPreviousPage } = conversation;
  useEffect(() => {
    if (first === undefined || first > earlyRows || !hasPreviousPage || isFetchingPreviousPage || previousPageError)
      return;
    void fetchPreviousPage();
  }, [first, hasPreviousPage, isFetchingPreviousPage, previousPageError, fetchPreviousPage]);

  const isAway = isFilled && virtualizer.getDistanceFromEnd() > 3 * nearPx;
  // Gliding over thousands of messages would lay out each of them.
  const toLatest = (): void =>
    virtualizer.scrollToEnd({ behavior: virtualizer.getDistanceFromEnd() < glidePx ? 'smooth' : 'auto' });
  const { speaking, discard, data } = conversation;
  const isActive = data?.status === 'active';
  const { mutate: retry } = conversation.retry;
  const { mutate: resend } = conversation.resend;
  const recordings = useResendRecording(conversation.conversation.id);
  const { canResend: canResendRecording } = recordings;
  const { mutate: resendRecording } = recordings.resend;
  const actions: RowActions = useMemo(
    () => ({ retry, resend, discard, canResendRecording, resendRecording }),
    [retry, resend, discard, canResendRecording, resendRecording],
  );
  const problemOf = (row: Row): Reason | undefined => {
    const recording = row.type === 'failure' ? row.outcome.voiceSessionId : undefined;
    if (recording !== undefined && recordings.resend.variables?.voiceSessionId === recording)
      return recordings.resend.error?.reason;
    const turnId = turnOf(row);
    return turnId !== undefined && conversation.retry.variables === turnId
      ? conversation.retry.error?.reason
      : undefined;
  };
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard. */}
      <div ref={scroller} className="log" role="log" aria-label={talk.log} aria-live="off" tabIndex={0}>
        {isPending && rows.length === 0 && <p className="row-note">{talk.loading}</p>}
        {isFetchingPreviousPage && <p className="earlier">{talk.loadingEarlier}</p>}
        {previousPageError && !isFetchingPreviousPage && (
          <p className="earlier">
            <button type="button" className="button small" onClick={() => void fetchPreviousPage()}>
              {talk.retry}
            </button>
          </p>
        )}
        <div className="rows" style={{ height: virtualizer.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            const turnId = turnOf(row);
            const record =
              isSpeaking && speaking?.turnId === turnId ? turns.find(({ id }) => id === turnId) : undefined;
            return (
              <div
                key={item.key}
                ref={virtualizer.measureElement}
                data-index={item.index}
                className="row"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                <RowView
                  row={row}
                  problem={problemOf(row)}
                  canRetry={isActive && (item.index === rows.length - 1 || isLostRecording(row))}
                  spoken={record?.sentences.find(({ sentence }) => sentence === speaking?.sentence)}
                  sentences={record?.sentences}
                  actions={actions}
                />
              </div>
            );
          })}
        </div>
      </div>
      {isAway && (
        <div className="bottom-edge">
          <button type="button" className="button small to-latest" onClick={toLatest}>
            <Icon name="down" size={16} />
            {talk.latest}
          </button>
        </div>
      )}
    </>
  );
}

function turnOf(row: Row): string | undefined {
  if (row.type === 'turn') return row.turn.id;
  if (row.type === 'failure') return row.outcome.turnId;
  return row.type === 'message' && row.message.role === 'agent' ? row.message.turnId : undefined;
}

/** When what is below the log grows, as while somebody writes a longer message, the end stays in sight. */
function useStayAtEnd(scroller: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    let isAtEnd = true;
    const onScroll = (): void => {
      isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight <= nearPx;
    };
    const observer = new ResizeObserver(() => {
      if (isAtEnd) element.scrollTop = element.scrollHeight;
    });
    element.addEventListener('scroll', onScroll, { passive: true });
    observer.observe(element);
    return () => {
      element.removeEventListener('scroll', onScroll);
      observer.disconnect();
    };
  }, [scroller]);
}

/** What was said in it is nowhere else: it can be sent again wherever it stands. */
function isLostRecording(row: Row): boolean {
  return row.type === 'failure' && row.outcome.voiceSessionId !== undefined;
}

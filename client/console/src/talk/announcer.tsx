import type { TurnRecord } from '@parley/client/react';
import { useEffect, useRef, useState } from 'react';

/** Sentences that stay where a screen reader finds them. */
const most = 4;

/** Tells a screen reader of an answer sentence by sentence: each is said once, when it is whole. */
export function Announcer({ turns }: { turns: readonly TurnRecord[] }) {
  const last = turns.at(-1);
  const said = useRef<{ turnId: string | undefined; count: number }>({
    turnId: last?.id,
    count: last?.sentences.length ?? 0,
  });
  const [sentences, setSentences] = useState<readonly { key: string; text: string }[]>([]);
  useEffect(() => {
    if (!last) return;
    const from = said.current.turnId === last.id ? said.current.count : 0;
    const news = last.sentences.slice(from).map(({ sentence, text }) => ({ key: `${last.id} ${sentence}`, text }));
    said.current = { turnId: last.id, count: last.sentences.length };
    if (news.length > 0) setSentences((before) => [...before, ...news].slice(-most));
  }, [last]);
  return (
    <div className="sr-only" aria-live="polite" aria-atomic="false" data-announcer>
      {sentences.map(({ key, text }) => (
        <p key={key}>{text}</p>
      ))}
    </div>
  );
}

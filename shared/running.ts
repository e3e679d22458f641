import type { ConversationState, RunningTurn, SpokenSentence, ToolCall } from './state.ts';

/** The turns that run: the newest, and those that it stands in front of. */
type Running = Pick<ConversationState, 'turn' | 'displaced'>;
type Change = Partial<Running>;

/** Turns that have not ended: one runs, as many wait as a conversation lets wait, and one may have lost its owner. */
const mostDisplaced = 9;

export function newTurn(id: string): RunningTurn {
  return { id, input: null, parts: [], bubbles: [], sentences: [], tools: [], attachments: [], silenced: false };
}

/** In the order in which they began. */
export function runningTurns({ turn, displaced }: Running): readonly RunningTurn[] {
  return turn ? [...displaced, turn] : displaced;
}

export function runningTurn({ turn, displaced }: Running, turnId: string): RunningTurn | undefined {
  return turn?.id === turnId ? turn : displaced.find(({ id }) => id === turnId);
}

/** A turn begins, for the first time or anew, in front of those that have not ended. */
export function begun(running: Running, turn: RunningTurn): Change {
  const others = runningTurns(running).filter(({ id }) => id !== turn.id);
  const isSame = others.length === 0 && running.displaced.length === 0;
  return { turn, displaced: isSame ? running.displaced : others.slice(-mostDisplaced) };
}

/** A turn has ended: the one that it stood in front of is seen again. */
export function closed({ turn, displaced }: Running, turnId: string): Change {
  if (turn?.id === turnId) return { turn: displaced.at(-1) ?? null, displaced: displaced.slice(0, -1) };
  return displaced.some(({ id }) => id === turnId) ? { displaced: displaced.filter(({ id }) => id !== turnId) } : {};
}

/** Changes a turn that runs. One whose beginning was not seen begins here; one that has ended stays as it was. */
export function inTurn(
  state: ConversationState,
  { turnId }: { turnId: string },
  of: (turn: RunningTurn) => Partial<RunningTurn>,
): Change {
  const known = runningTurn(state, turnId);
  if (!known && state.outcomes.some((outcome) => outcome.turnId === turnId)) return {};
  const before = known ?? newTurn(turnId);
  const turn = { ...before, ...of(before) };
  if (!known) return begun(state, turn);
  if (known === state.turn) return { turn };
  return { displaced: state.displaced.map((other) => (other === known ? turn : other)) };
}

export function inSentence(
  state: ConversationState,
  event: { turnId: string; sentence: number },
  of: (sentence: SpokenSentence) => Partial<SpokenSentence>,
): Change {
  return inTurn(state, event, ({ sentences }) => {
    let at = sentences.length;
    while (at > 0 && (sentences[at - 1]?.sentence ?? 0) >= event.sentence) at--;
    const there = sentences[at];
    const known = there?.sentence === event.sentence;
    const sentence = known ? there : { sentence: event.sentence, text: '', bubble: 0 };
    return { sentences: sentences.toSpliced(at, known ? 1 : 0, { ...sentence, ...of(sentence) }) };
  });
}

export function inTool(
  state: ConversationState,
  event: { turnId: string; toolCallId: string; name: string },
  news: Partial<ToolCall>,
): Change {
  return inTurn(state, event, ({ tools }) => {
    const at = tools.findIndex((tool) => tool.toolCallId === event.toolCallId);
    if (at < 0) return { tools: [...tools, { toolCallId: event.toolCallId, name: event.name, ...news }] };
    return { tools: tools.map((tool, i) => (i === at ? { ...tool, ...news } : tool)) };
  });
}

/** A piece more of one of an answer's bubbles. */
export function textAdded(bubbles: readonly string[], bubble: number, text: string): string[] {
  const longer = [...bubbles];
  while (longer.length <= bubble) longer.push('');
  longer[bubble] += text;
  return longer;
}

import type { Message, MessageInEvent } from '@parley/shared/message';
import type { Page } from '@parley/shared/page';
import { failureOf, type ParleyFailure } from '../failure.ts';

/** Where loading what lies before the first message stands. */
export interface PagesState {
  readonly hasPreviousPage: boolean;
  readonly isFetchingPreviousPage: boolean;
  readonly previousPageError: ParleyFailure | null;
}

export type LoadPage = (options: { cursor?: string | undefined }) => Promise<Page<Message>>;

/** A page, oldest first; `isNewest`: there is nothing after it. */
type OnPage = (messages: readonly MessageInEvent[], isNewest: boolean) => void;

/** A conversation's messages by pages, the newest first. */
export class Pages {
  readonly #load: LoadPage;
  readonly #onPage: OnPage;
  readonly #onChange: () => void;
  #cursor: string | null = null;
  /** Counts the beginnings, so that a page of an earlier one is known as such. */
  #run = 0;
  #fetching: Promise<void> | undefined;
  #state: PagesState = { hasPreviousPage: false, isFetchingPreviousPage: false, previousPageError: null };

  constructor(load: LoadPage, onPage: OnPage, onChange: () => void) {
    this.#load = load;
    this.#onPage = onPage;
    this.#onChange = onChange;
  }

  get state(): PagesState {
    return this.#state;
  }

  /** The newest page; what lies before it is loaded from there. @throws ParleyFailure */
  async first(): Promise<void> {
    const run = ++this.#run;
    const page = await this.#load({});
    if (run === this.#run) this.#take(page, true);
  }

  /** The page before those that are there. That it failed is in the state. */
  previous(): Promise<void> {
    if (this.#cursor === null) return Promise.resolve();
    this.#fetching ??= this.#previous(this.#cursor).finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #previous(cursor: string): Promise<void> {
    const run = this.#run;
    this.#become({ isFetchingPreviousPage: true, previousPageError: null });
    try {
      const page = await this.#load({ cursor });
      if (run === this.#run) this.#take(page, false);
      this.#become({ isFetchingPreviousPage: false });
    } catch (cause) {
      this.#become({ isFetchingPreviousPage: false, previousPageError: failureOf(cause) });
    }
  }

  #take({ items, nextCursor }: Page<Message>, isNewest: boolean): void {
    this.#cursor = nextCursor;
    this.#onPage(items.map(inEvent).reverse(), isNewest);
    this.#become({ hasPreviousPage: nextCursor !== null });
  }

  #become(news: Partial<PagesState>): void {
    this.#state = { ...this.#state, ...news };
    this.#onChange();
  }
}

/** A message as events carry it. */
function inEvent(message: Message): MessageInEvent {
  return { ...message, createdAt: message.createdAt.getTime() };
}

/**
 * With loaded messages, oldest first. Those that are there stay: what events told of them is newer than a page. A page of
 * what lies before, as most are, is put in front at once. Before the newest page nothing stays that it does not continue:
 * there would be a hole between the two.
 */
export function withPage(
  known: readonly MessageInEvent[],
  page: readonly MessageInEvent[],
  isNewest: boolean,
): readonly MessageInEvent[] {
  const [first] = page;
  const last = page.at(-1);
  if (!first || !last) return known;
  const before = known[0];
  if (!before) return page;
  if (!isNewest && last.createdAt < before.createdAt) return [...page, ...known];
  const there = new Set(known.map(({ id }) => id));
  const news = page.filter(({ id }) => !there.has(id));
  if (news.length === 0) return known;
  const isWhole = !isNewest || news.length < page.length;
  const kept = isWhole ? known : known.filter(({ createdAt }) => createdAt > last.createdAt);
  return [...kept, ...news].sort((a, b) => a.createdAt - b.createdAt);
}

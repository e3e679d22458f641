import { ParleyError } from '@parley/shared/reason';

/** Ends what listens to a conversation's speech as soon as this replica is told that the conversation is deleted. */
export class Deletions {
  readonly #watched = new Map<string, Set<AbortController>>();

  /** `signal` aborts with CONVERSATION_DELETED. `end` is to be called once, however that which listens has ended. */
  watch(conversationId: string): { signal: AbortSignal; end(): void } {
    const abort = new AbortController();
    const watching = this.#watched.get(conversationId) ?? new Set();
    this.#watched.set(conversationId, watching.add(abort));
    return {
      signal: abort.signal,
      end: () => {
        watching.delete(abort);
        if (watching.size === 0) this.#watched.delete(conversationId);
      },
    };
  }

  deleted(conversationId: string): void {
    for (const abort of this.#watched.get(conversationId) ?? []) abort.abort(new ParleyError('CONVERSATION_DELETED'));
  }
}

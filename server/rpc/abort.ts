/** The reason of every abort here. Shared, because a new one would take a stack trace for each of a socket's calls. */
export const stopped = new DOMException('The subscription was stopped, or the client is gone.', 'AbortError');

export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

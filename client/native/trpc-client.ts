import type { Calls, Link, Operation } from './operation.ts';
import { TRPCClientError } from './trpc-error.ts';

interface SubscriptionOptions {
  signal?: AbortSignal | null;
  onStarted?(): void;
  onData?(data: unknown): void;
  onStopped?(): void;
  onError?(error: TRPCClientError): void;
  onComplete?(): void;
}

/** Calls procedures over one link by their path: `client.turns.send.mutate(input)`. */
export function createTRPCClient({ links: [link] }: { links: readonly [Link] }): unknown {
  const calls = link({});
  let last = 0;
  const begin = (type: Operation['type'], path: string, input: unknown, signal: AbortSignal | null | undefined) =>
    calls({ op: { id: ++last, type, path, input, signal: signal ?? null, context: {} } });

  const node = (path: readonly string[]): unknown =>
    new Proxy(() => {}, {
      // What is awaited is asked for `then`.
      get: (_, key) => (typeof key === 'string' && key !== 'then' ? node([...path, key]) : undefined),
      apply(_, __, [input, options]: [unknown, SubscriptionOptions | undefined]) {
        const name = path.slice(0, -1).join('.');
        switch (path.at(-1)) {
          case 'query':
            return once(begin('query', name, input, options?.signal));
          case 'mutate':
            return once(begin('mutation', name, input, options?.signal));
          case 'subscribe':
            return follow(begin('subscription', name, input, options?.signal), options ?? {});
          default:
            throw new TypeError(`${path.join('.')} is no procedure`);
        }
      },
    });
  return node([]);
}

function once(call: ReturnType<Calls>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call.subscribe({
      next: ({ result }) => {
        if (result.type === 'data') resolve(result.data);
      },
      error: reject,
      complete: () => reject(new TRPCClientError('The call was left.')),
    });
  });
}

function follow(call: ReturnType<Calls>, options: SubscriptionOptions) {
  return call.subscribe({
    next({ result }) {
      if (result.type === 'data') options.onData?.(result.data);
      else if (result.type === 'started') options.onStarted?.();
      else if (result.type === 'stopped') options.onStopped?.();
    },
    error: (error) => options.onError?.(error),
    complete: () => options.onComplete?.(),
  });
}

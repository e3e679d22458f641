export interface Observer<Value, Failure> {
  next(value: Value): void;
  error(failure: Failure): void;
  complete(): void;
}

export interface Observable<Value, Failure> {
  subscribe(observer: Partial<Observer<Value, Failure>>): { unsubscribe(): void };
}

/**
 * What the client uses of tRPC's observable, by its interface. `begin` runs for each subscriber. It ends once, and tells nothing
 * after; what `begin` returns is called once, when it has ended or its subscriber leaves, also when that is before `begin` returns.
 */
export function observable<Value, Failure>(
  begin: (observer: Observer<Value, Failure>) => () => void,
): Observable<Value, Failure> {
  return {
    subscribe(observer) {
      let isOver = false;
      let hasLeft = false;
      let leave: (() => void) | undefined;
      const unsubscribe = (): void => {
        const own = leave;
        leave = undefined;
        hasLeft = true;
        own?.();
      };
      const end = (tell: () => void): void => {
        if (isOver) return;
        isOver = true;
        try {
          tell();
        } finally {
          unsubscribe();
        }
      };
      leave = begin({
        next: (value) => {
          if (!isOver) observer.next?.(value);
        },
        error: (failure) => end(() => observer.error?.(failure)),
        complete: () => end(() => observer.complete?.()),
      });
      if (hasLeft) unsubscribe();
      return { unsubscribe };
    },
  };
}

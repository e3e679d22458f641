import { limits } from '@parley/shared/limits';
import type { Session } from './session.ts';

/** Waits of a connection, in milliseconds. */
export interface Waits {
  /** Silence after which a client is asked whether it is there. */
  pingMs: number;
  /** How long it may take to answer, counted from the last byte that it sent or took. */
  pongWaitMs: number;
  /** How long connection parameters and the context may take. */
  handshakeMs: number;
  /** How long a closing connection may take before it is cut. */
  closeMs: number;
}

export const defaultWaits: Waits = {
  pingMs: 30_000,
  pongWaitMs: 5_000,
  handshakeMs: limits.handshakeMs,
  closeMs: 2_000,
};

/** All open sessions, and the one timer that keeps their waits: it runs only while there are any. */
export class Sweep {
  readonly sessions = new Set<Session>();
  readonly #waits: Waits;
  #timer: NodeJS.Timeout | undefined;

  constructor(waits: Waits) {
    this.#waits = waits;
  }

  add(session: Session): void {
    this.sessions.add(session);
    const shortest = Math.min(...Object.values(this.#waits));
    this.#timer ??= setInterval(() => this.#sweep(), Math.min(Math.max(shortest / 4, 5), 500)).unref();
  }

  delete(session: Session): void {
    this.sessions.delete(session);
    if (this.sessions.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    const now = performance.now();
    for (const session of this.sessions) this.#check(session, now);
  }

  #check(session: Session, now: number): void {
    const { pingMs, pongWaitMs, handshakeMs, closeMs } = this.#waits;
    if (session.closingSince !== undefined) {
      if (now - session.closingSince >= closeMs) session.terminate();
    } else if (session.waitsFor && now - session.born >= handshakeMs) {
      session.dismiss(session.waitsFor === 'params' ? 'UNAUTHENTICATED' : 'UNAVAILABLE');
    } else if (session.asked !== undefined) {
      // A client that sends a recording, or reads a long reply, answers when it is through.
      if (session.hasMoved()) session.asked = now;
      else if (now - session.asked >= pongWaitMs) session.terminate();
    } else if (now - session.heard >= pingMs) session.ask(now);
  }
}

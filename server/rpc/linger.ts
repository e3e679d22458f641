import type { IncomingMessage } from 'node:http';

/** Milliseconds that the rest of a body is read for, once it was answered, so that the answer arrives. */
const lingerMs = 3_000;

/** A connection that is closed on somebody who is still sending is reset, and the answer lost with it. */
export function linger(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.unpipe();
  request.resume();
  const timer = setTimeout(() => request.destroy(), lingerMs);
  const over = (): void => clearTimeout(timer);
  request.once('end', over);
  request.once('close', over);
}

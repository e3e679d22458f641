import { channel } from 'node:diagnostics_channel';

/** The steps of a turn's life at which a crash tests what the next owner finds. In the order in which they come. */
export type Checkpoint =
  | 'accept.commit'
  | 'accept.committed'
  | 'turn.begun'
  | 'append.before'
  | 'append.after'
  | 'delta.first'
  | 'settle.before'
  | 'settle.commit'
  | 'settle.committed'
  | 'terminal.before'
  | 'terminal.after'
  | 'takeover.claimed'
  | 'erase.before'
  | 'erase.middle';

const steps = channel('parley:turn');

/**
 * Tells whoever subscribes to Node's diagnostics channel `parley:turn`, synchronously, that a turn has come this far:
 * `{ step, id }`. Costs nothing while nobody does.
 */
export function checkpoint(step: Checkpoint, id: string): void {
  if (steps.hasSubscribers) steps.publish({ step, id });
}

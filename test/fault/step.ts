import type { Checkpoint } from '@parley/server/turn/checkpoint';

/** The steps of a turn's life, from its acceptance to its last event. */
export const steps: readonly Checkpoint[] = [
  'accept.commit',
  'accept.committed',
  'turn.begun',
  'append.before',
  'append.after',
  'delta.first',
  'settle.before',
  'settle.commit',
  'settle.committed',
  'terminal.before',
  'terminal.after',
];

/** All of them in three rows, for tests that go through a row one step after the other. */
export const chains: readonly (readonly Checkpoint[])[] = [0, 1, 2].map((chain) =>
  steps.filter((_, i) => i % 3 === chain),
);

/**
 * Why a running turn is stopped from outside:
 * - `interrupt`: somebody asked; what was delivered is kept.
 * - `deleted`: its conversation is gone; nothing is written.
 * - `lost`: another replica has taken it over; nothing is written.
 * - `handover`: this replica shuts down.
 */
export type StopKind = 'interrupt' | 'deleted' | 'lost' | 'handover';

export class Stopped extends Error {
  override readonly name = 'Stopped';
  readonly kind: StopKind;
  constructor(kind: StopKind) {
    super(kind);
    this.kind = kind;
  }
}

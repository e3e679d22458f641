/** Why bytes give no sound: they are damaged, or there is more sound in them than is taken. */
export type Refusal = 'damaged' | 'too long';

export class Undecodable extends Error {
  override readonly name = 'Undecodable';
  readonly refusal: Refusal;
  constructor(refusal: Refusal, message: string) {
    super(message);
    this.refusal = refusal;
  }
}

export const damaged = (message: string): Undecodable => new Undecodable('damaged', message);
export const tooLong = (message: string): Undecodable => new Undecodable('too long', message);

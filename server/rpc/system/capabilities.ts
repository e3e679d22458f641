import { signedIn } from '../guard.ts';

export const capabilities = signedIn.query(({ ctx }) => ctx.app.capabilities);

import { open } from '../trpc.ts';

export const ping = open.query(({ ctx }) => ({ at: new Date(), version: ctx.app.version }));

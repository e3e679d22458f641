import { appRouter } from '@parley/server/rpc/router';
import type { AnyTRPCRouter } from '@trpc/server';

export type Kind = 'query' | 'mutation' | 'subscription';

const router: AnyTRPCRouter = appRouter;
const flat: Readonly<Record<string, { _def: { type: Kind } }>> = router._def.procedures;

/** Every procedure's path and kind, as the router itself keeps them. */
export const procedures: readonly (readonly [path: string, kind: Kind])[] = Object.entries(flat).map(
  ([path, { _def }]) => [path, _def.type],
);

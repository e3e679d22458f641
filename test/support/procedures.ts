import { appRouter } from '@parley/server/rpc/router';
import type { AnyTRPCRouter } from '@trpc/server';

export type Kind = 'query' | 'mutation' | 'subscription';

const router: AnyTRPCRouter = appRouter;

/** Every procedure's path and kind, as the router itself keeps them. */
export const procedures: readonly (readonly [path: string, kind: Kind])[] = Object.entries(router._def.procedures).map(
  ([path, procedure]) => [path, procedure._def.type],
);

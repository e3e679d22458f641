// biome-ignore-all lint/performance/noBarrelFile: stands in for a package
/**
 * What the client uses of `@trpc/client`, by its interface and on its wire. Metro leaves nothing of a package out, and that one
 * brings half of tRPC's server: package.json puts this in its place for React Native only. All else has the original.
 */
export { createTRPCClient } from './trpc-client.ts';
export { TRPCClientError } from './trpc-error.ts';
export { httpBatchLink, httpSubscriptionLink } from './trpc-http.ts';
export { createWSClient, wsLink } from './trpc-websocket.ts';

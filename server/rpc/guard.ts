import type { Scope } from '@parley/shared/account';
import { ParleyError } from '@parley/shared/reason';
import type { Principal } from '../account/principal.ts';
import type { Context } from './context.ts';
import { open } from './trpc.ts';

/** Whoever calls, within the rates. @throws ParleyError as `Credentials.authenticate`; RATE_LIMITED */
export async function admit(ctx: Context): Promise<Principal> {
  const tooOften = ctx.app.rates.address(ctx.session.address);
  if (tooOften) throw tooOften;
  const principal = await ctx.session.principal();
  await ctx.app.rates.call(principal);
  return principal;
}

/** @throws ParleyError SCOPE_MISSING, NOT_APPROVED */
export function allow({ scopes, approved }: Principal, scope: Scope): void {
  if (!scopes.includes(scope)) throw new ParleyError('SCOPE_MISSING', { details: { scope } });
  if (!approved) throw new ParleyError('NOT_APPROVED');
}

/** A procedure of a signed-in user, within the rates. */
export const signedIn = open.use(async ({ ctx, next }) => {
  const principal = await admit(ctx);
  return next({ ctx: { principal, owner: { tenant: principal.tenant, userId: principal.userId } } });
});

/** A procedure of an approved user whose credential has this scope. */
export const scoped = (scope: Scope) =>
  signedIn.use(({ ctx, next }) => {
    allow(ctx.principal, scope);
    return next();
  });

/** Conversations in text. */
export const chat = scoped('chat');

/** Attachments. */
export const files = scoped('files');

/** Conversations by voice. */
export const spoken = scoped('voice');

/** A procedure that begins a turn: counted, and refused while the server shuts down. */
const counted = (procedure: typeof chat) =>
  procedure.use(async ({ ctx, next }) => {
    if (ctx.app.draining()) throw new ParleyError('DRAINING');
    await ctx.app.rates.turn(ctx.principal);
    return next();
  });

export const speaking = counted(chat);
export const recorded = spoken.use(({ ctx, next }) => {
  if (ctx.app.draining()) throw new ParleyError('DRAINING');
  return next();
});
export const recordedTurn = counted(spoken);

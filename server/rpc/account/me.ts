import { findUser, toProfile, toUser } from '@parley/db/repository/user';
import type { Account } from '@parley/shared/account';
import { ParleyError } from '@parley/shared/reason';
import { signedIn } from '../guard.ts';

export const me = signedIn.query(async ({ ctx }): Promise<Account> => {
  const { principal } = ctx;
  const row = await findUser(ctx.app.db, principal.tenant, principal.userId);
  if (!row) throw new ParleyError('UNAUTHENTICATED');
  const user = toUser(row);
  return {
    user,
    profile: toProfile(row),
    tenant: user.tenant,
    roles: [...principal.roles],
    scopes: [...principal.scopes],
    approved: user.approved,
    plan: user.plan,
  };
});

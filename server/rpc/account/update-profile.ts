import { toUser, updateProfile as update } from '@parley/db/repository/user';
import { profileInput, type User } from '@parley/shared/account';
import { ParleyError } from '@parley/shared/reason';
import { signedIn } from '../guard.ts';

export const updateProfile = signedIn.input(profileInput).mutation(async ({ ctx, input }): Promise<User> => {
  const { tenant, userId } = ctx.principal;
  const row = await update(ctx.app.db, tenant, userId, input);
  if (!row) throw new ParleyError('UNAUTHENTICATED');
  ctx.app.credentials.forget(tenant, userId);
  return toUser(row);
});

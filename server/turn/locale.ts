import type { Db } from '@parley/db/connect';
import type { TurnRow } from '@parley/db/repository/turn';
import { findUser } from '@parley/db/repository/user';
import { type Locale, localeOf } from '@parley/shared/explain';

/** Han characters: what a user writes tells more than a locale that was never set. */
const han = /\p{Script=Han}/u;

export function isChinese(text: string): boolean {
  return han.test(text);
}

/** The locale of a turn's user, for what is said about its end. */
export async function localeOfUser(db: Db, turn: Pick<TurnRow, 'tenant_id' | 'user_id'>): Promise<Locale> {
  const user = await findUser(db, turn.tenant_id, turn.user_id);
  return localeOf(user?.locale);
}

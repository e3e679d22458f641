import { createHash } from 'node:crypto';
import type { Owner } from '@parley/db/repository/conversation';
import { newId } from '@parley/shared/id';

function digest(...names: string[]): string {
  return createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 32);
}

const form = /^[0-9a-f]{32}\/[0-9a-f]{32}\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The name of a new file in storage: digests of its tenant and user, and an id of its own. Holds nothing that anybody typed. */
export function newKey({ tenant, userId }: Owner): string {
  return `${digest(tenant)}/${digest(tenant, userId)}/${newId()}`;
}

/** Whether a key can lead nowhere but to a file of its own. */
export function isKey(key: string): boolean {
  return form.test(key);
}

import type { Kysely, Selectable } from 'kysely';
import type { AssistantTable, Database } from '../schema.ts';

export type AssistantRow = Selectable<AssistantTable>;

export async function findAssistant(
  db: Kysely<Database>,
  tenant: string,
  id: string,
): Promise<AssistantRow | undefined> {
  return await db
    .selectFrom('assistants')
    .selectAll()
    .where('tenant_id', '=', tenant)
    .where('id', '=', id)
    .executeTakeFirst();
}

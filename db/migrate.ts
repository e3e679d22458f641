import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import * as foundation from './migration/001-foundation.ts';
import * as voice from './migration/002-voice.ts';
import * as attachments from './migration/003-attachments.ts';
import * as recordings from './migration/004-recordings.ts';
import * as untoldEnds from './migration/005-untold-ends.ts';
import * as cancelledRecordings from './migration/006-cancelled-recordings.ts';
import type { Database } from './schema.ts';

const migrations: Record<string, Migration> = {
  '001-foundation': foundation,
  '002-voice': voice,
  '003-attachments': attachments,
  '004-recordings': recordings,
  '005-untold-ends': untoldEnds,
  '006-cancelled-recordings': cancelledRecordings,
};

/** Brings the database to this version's schema. Safe when several replicas start at once: Kysely holds an advisory lock. */
export async function migrate(db: Kysely<Database>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

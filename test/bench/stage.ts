import { randomUUID } from 'node:crypto';
import { signToken } from '@parley/server/account/token';
import { sql } from 'kysely';
import { createDatabase, type FreshDatabase, makeTemplate, startPostgres } from '../support/postgres.ts';
import { startRedis } from '../support/redis.ts';
import { RedisUnavailable } from '../support/redis-binary.ts';
import { Program } from './program.ts';
import type {
  ListenerCommands,
  ProviderCommands,
  RelayCommands,
  ServerCommands,
  Services,
  TalkerCommands,
} from './protocol.ts';

const secret = 'a secret of the bench, long enough for it';
const tenant = 'bench';

/** Whoever hands out events, and where. */
export interface Relay {
  program: Pick<Program<RelayCommands>, 'ask' | 'stop'>;
  port: number;
}

/** Parley itself. */
export interface Server extends Relay {
  program: Program<ServerCommands>;
}

/**
 * What a conversation of the bench holds: questions and answers so long that a hundred of them fill a prompt. Short and long
 * histories then differ in nothing but their length.
 */
const question = `repeat('I grew up in a small town by the river, and my grandmother told me stories there. ', 5) || n`;
const reply = `repeat('That sounds like a place one remembers. What did the house look like? ', 14) || n`;

/** The stores of one run of the bench, and the processes on them. */
export class Stage {
  readonly database: FreshDatabase;
  /** Undefined where there is no Redis and none can be fetched. */
  readonly redisUrl: string | undefined;
  readonly #programs: { stop(): Promise<void> }[] = [];
  readonly #stop: () => Promise<void>;

  private constructor(database: FreshDatabase, redisUrl: string | undefined, stop: () => Promise<void>) {
    this.database = database;
    this.redisUrl = redisUrl;
    this.#stop = stop;
  }

  static async open(): Promise<Stage> {
    const postgres = await startPostgres();
    await makeTemplate(postgres.connection);
    const database = await createDatabase(postgres.connection);
    const redis = await startRedis().catch((error: unknown) => {
      if (!(error instanceof RedisUnavailable)) throw error;
      console.error(`${error.message}; what needs one is left out`);
      return undefined;
    });
    await sql`insert into tenants (id) values (${tenant})`.execute(database.db);
    return new Stage(database, redis?.url, async () => {
      await database.drop();
      await redis?.stop();
      await postgres.stop();
    });
  }

  /** Ends the processes, the newest first, and the stores. */
  async close(): Promise<void> {
    for (const program of this.#programs.reverse()) await program.stop();
    await this.#stop();
  }

  async relay(file: 'raw.ts' | 'stock.ts'): Promise<Relay> {
    const program = this.#started(new Program<RelayCommands>(file));
    return { program, port: portOf(await program.ask('start', {})) };
  }

  /** A server as an operator runs it, with all its limits; those of calls are as high as the bench calls. */
  async server(
    env: { redisUrl?: string | undefined; providerUrl?: string; variables?: Record<string, string> } = {},
  ): Promise<Server> {
    const program = this.#started(new Program<ServerCommands>('server.ts'));
    const started = await program.ask('start', {
      PORT: '0',
      DATABASE_URL: this.database.url,
      AUTH_JWT_SECRET: secret,
      AUTH_PROVISION: 'auto',
      OPENAI_BASE_URL: env.providerUrl ?? 'http://127.0.0.1:9/v1',
      LLM_MODEL: 'echo',
      RATE_USER_PER_SECOND: '100000',
      RATE_USER_BURST: '100000',
      RATE_ADDRESS_PER_SECOND: '100000',
      RATE_TURNS_PER_MINUTE: '1000000',
      ...(env.redisUrl !== undefined && { REDIS_URL: env.redisUrl }),
      ...env.variables,
    });
    return { program, port: portOf(started) };
  }

  listener(): Program<ListenerCommands> {
    return this.#started(new Program<ListenerCommands>('listener.ts'));
  }

  talker(): Program<TalkerCommands> {
    return this.#started(new Program<TalkerCommands>('talker.ts'));
  }

  services(): Promise<Services> {
    return this.#started(new Program<ProviderCommands>('provider.ts')).ask('start', null);
  }

  async provider(): Promise<string> {
    return (await this.services()).provider;
  }

  token(user: string): Promise<string> {
    return signToken({ secret, user, tenant });
  }

  /** Conversations of a user, each with so many messages. */
  async conversations(user: string, count: number, messages = 0): Promise<string[]> {
    const { db } = this.database;
    await sql`insert into users (tenant_id, id, approved) values (${tenant}, ${user}, true) on conflict do nothing`.execute(
      db,
    );
    const ids = Array.from({ length: count }, () => randomUUID());
    await sql`
      insert into conversations (id, tenant_id, user_id, request_hash, revision, message_count, last_message_at)
      select id, ${tenant}, ${user}, '\\x00', ${messages}, ${messages}, now()
      from unnest(${ids}::uuid[]) as id`.execute(db);
    if (messages > 0) for (const id of ids) await this.#fill(id, user, messages);
    return ids;
  }

  /** Users with one conversation each. */
  async owners(count: number): Promise<{ conversation: string; token: string }[]> {
    const { db } = this.database;
    const owners = Array.from({ length: count }, (_, i) => ({ user: `owner ${i}`, conversation: randomUUID() }));
    const users = owners.map(({ user }) => user);
    const ids = owners.map(({ conversation }) => conversation);
    await sql`
      insert into users (tenant_id, id, approved)
      select ${tenant}, id, true from unnest(${users}::text[]) as id`.execute(db);
    await sql`
      insert into conversations (id, tenant_id, user_id, request_hash)
      select id, ${tenant}, owner, '\\x00' from unnest(${ids}::uuid[], ${users}::text[]) as owned (id, owner)`.execute(
      db,
    );
    return Promise.all(owners.map(async ({ user, conversation }) => ({ conversation, token: await this.token(user) })));
  }

  async #fill(conversation: string, user: string, messages: number): Promise<void> {
    const { db } = this.database;
    // A turn's id is made from its number, so that its two messages find it.
    const turn = sql`md5(${conversation} || n)::uuid`;
    await sql`
      insert into turns (id, conversation_id, tenant_id, user_id, input, status, request_hash, request, announced, ended_at)
      select ${turn}, ${conversation}::uuid, ${tenant}, ${user}, 'text', 'completed', '\\x00', '{"parts":[]}', true, now()
      from generate_series(1, ${messages / 2}::int) as n`.execute(db);
    await sql`
      insert into messages (id, conversation_id, tenant_id, turn_id, role, kind, status, parts, created_at)
      select gen_random_uuid(), ${conversation}::uuid, ${tenant}, ${turn}, role, 'text', 'complete',
        jsonb_build_array(jsonb_build_object('type', 'text', 'text',
          case role when 'human' then ${sql.raw(question)} else ${sql.raw(reply)} end)),
        now() - (${messages / 2}::int - n + 1) * interval '2 seconds' + at * interval '1 second'
      from generate_series(1, ${messages / 2}::int) as n, (values (0, 'human'), (1, 'agent')) as said (at, role)`.execute(
      db,
    );
  }

  /** What a database that has been running for a while knows of its tables. */
  async analyze(): Promise<void> {
    await sql`vacuum analyze`.execute(this.database.db);
  }

  #started<P extends { stop(): Promise<void> }>(program: P): P {
    this.#programs.push(program);
    return program;
  }
}

function portOf({ url }: { url: string }): number {
  return Number(new URL(url).port);
}

import { z } from 'zod';
import { networkOf } from './proxy.ts';

/** A variable that cannot be used, or a combination that cannot. The message is one line, names the variable and holds no value. */
export class BadEnvironment extends Error {
  override readonly name = 'BadEnvironment';
}

const text = z.string();

const integer = (min: number, max: number) =>
  text
    .refine((value) => /^\d{1,15}$/.test(value) && Number(value) >= min && Number(value) <= max, {
      error: `must be a whole number from ${min} to ${max}`,
    })
    .transform(Number);

const milliseconds = integer(100, 24 * 3_600_000);
const rate = integer(0, 1_000_000);

const url = (protocols: readonly string[]) =>
  text.refine((value) => protocols.includes(URL.parse(value)?.protocol ?? ''), {
    error: `must be a URL that begins with ${protocols.join(' or ')} (special characters in a password are percent-encoded)`,
  });

const web = url(['http:', 'https:']);

/** Goes into an HTTP header. */
const key = text.regex(/^[\x21-\x7e]+$/, { error: 'must be printable ASCII without spaces' });

const provider = z.enum(['openai', 'local'], { error: 'must be openai or local' });

const list = text.transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const origins = list.refine(
  (values) => values.every((value) => value === '*' || (/^https?:/.test(value) && URL.parse(value)?.origin === value)),
  { error: 'must be a list of origins such as https://example.com, or *' },
);

const networks = list
  .refine((values) => values.every((value) => networkOf(value) !== undefined), {
    error: 'must be a list of addresses such as 10.0.0.1, or networks such as 10.0.0.0/8',
  })
  .transform((values) => values.flatMap((value) => networkOf(value) ?? []));

/** What is said of a variable in the README's table, and whether its value must never be shown. */
const means = (description: string) => ({ description });
const secret = (description: string) => ({ description, secret: true });

/**
 * Every variable that Parley reads: its form, its default and what it means. An empty one counts as not set.
 * What follows from several of them together is decided in config.
 */
const environment = z.object({
  PORT: integer(0, 65_535).default(4000).meta(means('Port to listen on; 0 takes a free one.')),
  HOST: text.default('127.0.0.1').meta(means('Address to listen on.')),
  DATA_DIR: text
    .default('.parley')
    .meta(means('Folder of the embedded mode. A relative path starts at the repository.')),
  DATABASE_URL: url(['postgres:', 'postgresql:'])
    .optional()
    .meta(secret('PostgreSQL to use. Without it Parley runs its own in `DATA_DIR` (the embedded mode).')),
  DATABASE_POOL: integer(1, 1000).default(10).meta(means('Connections to PostgreSQL.')),
  REDIS_URL: url(['redis:', 'rediss:'])
    .optional()
    .meta(secret('Redis to use. Without it the event log and the history cache are in memory, for one replica.')),
  STORAGE_URL: url(['file:', 's3:'])
    .optional()
    .meta(secret('Where attachments are kept: `file:` or `s3:`. Without it, in `DATA_DIR`.')),

  OPENAI_API_KEY: key.optional().meta(secret('Key of an OpenAI-compatible service, for all that has none of its own.')),
  OPENAI_BASE_URL: web
    .optional()
    .meta(secret('Address of that service. Without it and without a key the local providers are used.')),
  LLM_PROVIDER: provider
    .optional()
    .meta(means('Language model: `openai` when there is a key or an address, else `local`.')),
  LLM_MODEL: text.optional().meta(means('Name of the language model; `gpt-4o-mini` with `openai`.')),
  LLM_BASE_URL: web.optional().meta(secret('Its address, in place of `OPENAI_BASE_URL`.')),
  LLM_API_KEY: key.optional().meta(secret('Its key, in place of `OPENAI_API_KEY`.')),
  STT_PROVIDER: provider.optional().meta(means('Speech to text, as `LLM_PROVIDER`.')),
  STT_MODEL: text.optional().meta(means('Name of its model; `gpt-4o-mini-transcribe` with `openai`.')),
  STT_BASE_URL: web.optional().meta(secret('Its address, in place of `OPENAI_BASE_URL`.')),
  STT_API_KEY: key.optional().meta(secret('Its key, in place of `OPENAI_API_KEY`.')),
  TTS_PROVIDER: provider.optional().meta(means('Text to speech, as `LLM_PROVIDER`.')),
  TTS_MODEL: text.optional().meta(means('Name of its model; `gpt-4o-mini-tts` with `openai`.')),
  TTS_VOICE: text.optional().meta(means('Its voice; `alloy` with `openai`.')),
  TTS_BASE_URL: web.optional().meta(secret('Its address, in place of `OPENAI_BASE_URL`.')),
  TTS_API_KEY: key.optional().meta(secret('Its key, in place of `OPENAI_API_KEY`.')),

  STT_FIRST_BYTE_MS: milliseconds.default(10_000).meta(means('How long `openai` may take to begin a transcript.')),
  STT_IDLE_MS: milliseconds.default(10_000).meta(means('How long it may pause within a transcript.')),
  STT_TOTAL_MS: integer(100, 120_000)
    .default(60_000)
    .meta(means('How long a transcript may take, both attempts together.')),
  TTS_FIRST_BYTE_MS: milliseconds
    .default(10_000)
    .meta(means("How long `openai` may take to begin a sentence's speech.")),
  TTS_IDLE_MS: milliseconds.default(10_000).meta(means('How long it may pause within a sentence.')),
  TTS_TOTAL_MS: integer(100, 60_000)
    .default(60_000)
    .meta(means('How long a sentence may take, both attempts together.')),

  MODEL_FIRST_TOKEN_MS: milliseconds.default(20_000).meta(means('How long a model may take to begin its answer.')),
  MODEL_IDLE_MS: milliseconds.default(30_000).meta(means('How long it may pause within an answer.')),
  MODEL_TOTAL_MS: milliseconds.default(300_000).meta(means('How long an answer may take, all attempts together.')),
  MODEL_ATTEMPTS: integer(1, 10)
    .default(3)
    .meta(means('How often a model is asked at most, before it has begun to answer.')),
  MODEL_CONTEXT_TOKENS: integer(1000, 10_000_000)
    .default(16_000)
    .meta(means('Tokens of a prompt and its answer together.')),
  MODEL_REPLY_TOKENS: integer(16, 1_000_000)
    .default(1024)
    .meta(means('Tokens of that which are kept free for the answer.')),

  AUTH_JWT_SECRET: text
    .refine((value) => Buffer.byteLength(value) >= 32, { error: 'must be at least 32 bytes long' })
    .optional()
    .meta(secret('Secret of access tokens (HS256). The embedded mode makes one and keeps it in `DATA_DIR`.')),
  AUTH_JWKS_URL: web.optional().meta(means('Public keys of access tokens (RS256, ES256, EdDSA).')),
  AUTH_ISSUER: text.optional().meta(means('Who must have issued a token; required with `AUTH_JWKS_URL`.')),
  AUTH_AUDIENCE: text.optional().meta(means('Whom a token must be for; required with `AUTH_JWKS_URL`.')),
  AUTH_PROVISION: z
    .enum(['auto', 'closed'], { error: 'must be auto or closed' })
    .optional()
    .meta(
      means(
        '`auto`: an unknown subject becomes a user at first sight; `closed`: it is refused. `auto` in the embedded mode, else `closed`.',
      ),
    ),

  CORS_ORIGINS: origins
    .default([])
    .meta(means('Origins of web pages that may call, separated by commas. Its own always may.')),
  TRUST_PROXY: networks
    .default([])
    .meta(
      means(
        'Addresses, or networks as `10.0.0.0/8`, of proxies whose `X-Forwarded-For` is believed, separated by commas.',
      ),
    ),
  RATE_USER_PER_SECOND: rate
    .default(100)
    .meta(means('Calls a user may make in a second, on one replica; 0 is no limit.')),
  RATE_USER_BURST: rate.default(500).meta(means('Calls a user may make at once.')),
  RATE_ADDRESS_PER_SECOND: rate
    .default(2000)
    .meta(means('Calls and handshakes an address may make in a second, on one replica; 0 is no limit.')),
  RATE_TURNS_PER_MINUTE: rate.default(600).meta(means('Turns a user may begin in a minute; 0 is no limit.')),

  PLAYGROUND: z
    .enum(['on', 'off'], { error: 'must be on or off' })
    .optional()
    .meta(means('`/playground`, a page to call every procedure by hand: `on` in the embedded mode, else `off`.')),

  LEASE_MS: integer(1000, 600_000).default(10_000).meta(means('How long a replica that is silent keeps its turns.')),
  VOICE_MISSING_MS: milliseconds
    .default(15_000)
    .meta(means('How long missing segments of a recording are waited for once its last one has come.')),
  VOICE_OPEN_MS: milliseconds
    .default(3_600_000)
    .meta(means('How long a recording whose last segment has not come stays open while nothing comes of it.')),
  VOICE_LISTENING_MS: milliseconds
    .default(1_500)
    .meta(means('After how long a recording that goes on is told that the agent listens.')),
  DRAIN_MS: integer(0, 3_600_000).default(30_000).meta(means('How long a stopping server waits for its turns.')),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'must be fatal, error, warn, info, debug, trace or silent',
    })
    .optional()
    .meta(means('`info`; `warn` in a terminal in the embedded mode.')),
});

export type Environment = z.output<typeof environment>;

export interface Variable {
  name: string;
  /** As one would write it; undefined when there is none or it depends on others. */
  default: string | undefined;
  meaning: string;
  secret: boolean;
}

/** The table of variables, in the order of the README's. */
export const variables: readonly Variable[] = Object.entries(environment.shape).map(([name, schema]) => {
  const meta = schema.meta();
  const value: unknown = schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined;
  return {
    name,
    default: value === undefined || String(value) === '' ? undefined : String(value),
    meaning: meta?.description ?? '',
    secret: meta?.secret === true,
  };
});

/**
 * Reads and checks all variables, once. Nothing else in Parley looks at the environment.
 * @throws BadEnvironment
 */
export function readEnvironment(source: Readonly<Record<string, string | undefined>> = process.env): Environment {
  const given: Record<string, string> = {};
  for (const { name } of variables) {
    // A secret is taken as it is: its issuer may have meant the spaces.
    const value = name === 'AUTH_JWT_SECRET' ? source[name] : source[name]?.trim();
    if (value) given[name] = value;
  }
  const parsed = environment.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
  throw new BadEnvironment(problems.join('; '));
}

import { ParleyError } from '@parley/shared/reason';
import { type DestinationStream, type LogFn, type Logger, type LoggerOptions, pino } from 'pino';
import { output } from './output.ts';

/** Fields that hold what people said, or what opens doors, wherever in a line they stand. Compared in lower case. */
const secretFields: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'token',
  'accesstoken',
  'secret',
  'password',
  'apikey',
  'api_key',
  'key',
  'credential',
  'connectionparams',
  'connectionstring',
  'headers',
  'text',
  'content',
  'parts',
  'bubbles',
  'messages',
  'prompt',
  'data',
  'audio',
  'body',
  'input',
  'query',
  'parameters',
  'title',
  'preview',
  'metadata',
  'pagecontext',
  'profile',
  'nickname',
  'unheard',
  'transcript',
]);

const limit = { depth: 5, items: 20, characters: 300 };

function scrub(value: unknown, depth: number): unknown {
  if (typeof value === 'string')
    return value.length > limit.characters ? `${value.slice(0, limit.characters)}…` : value;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return describeError(value, depth);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth === 0) return '[…]';
  if (Array.isArray(value)) return value.slice(0, limit.items).map((item) => scrub(item, depth - 1));
  const kept: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    kept[name] = scrubField(name, field, depth);
  }
  return kept;
}

function scrubField(name: string, field: unknown, depth: number): unknown {
  // A request's and a response's own fields are many, and its query may hold anything.
  if (name === 'req' || name === 'res') return describeExchange(field);
  if (name === 'error' && typeof field === 'string') return scrub(withoutQuotes(field), 0);
  const tells = typeof field === 'number' || typeof field === 'boolean' || field == null;
  return !tells && secretFields.has(name.toLowerCase()) ? '[redacted]' : scrub(field, depth - 1);
}

function describeExchange(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return {};
  const [id, method, url, status]: unknown[] = ['id', 'method', 'url', 'statusCode'].map((name) =>
    Reflect.get(value, name),
  );
  return {
    ...(typeof id === 'string' && { id }),
    ...(typeof method === 'string' && { method }),
    ...(typeof url === 'string' && { path: scrub(url.split('?')[0], 0) }),
    ...(typeof status === 'number' && { status }),
  };
}

function withoutQuotes(message: string): string {
  return message.replace(/(["'`])[\s\S]*\1/g, '$1…$1');
}

/**
 * An error without what it quotes: JSON.parse and PostgreSQL repeat the text that they could not read, providers repeat
 * requests. What is in quotes is only kept where Parley wrote it.
 */
function describeError(error: Error, depth: number): Record<string, unknown> {
  const own = error instanceof ParleyError;
  const message = own ? error.message : withoutQuotes(error.message);
  const { stack } = error;
  const frames = stack?.split('\n').filter((line) => /^\s+at /.test(line));
  const code: unknown = Reflect.get(error, 'code');
  const constraint: unknown = Reflect.get(error, 'constraint');
  const status: unknown = Reflect.get(error, 'status');
  return {
    type: error.name,
    message: scrub(message, 0),
    ...(own && { reason: error.reason }),
    ...(typeof code === 'string' && { code }),
    ...(typeof constraint === 'string' && { constraint }),
    ...(typeof status === 'number' && { status }),
    ...(frames && { stack: frames.slice(0, limit.items).join('\n') }),
    ...(error.cause instanceof Error && depth > 0 && { cause: describeError(error.cause, depth - 1) }),
  };
}

function scrubFields(fields: Record<string, unknown>): Record<string, unknown> {
  const kept = scrub(fields, limit.depth);
  return typeof kept === 'object' && kept !== null ? { ...kept } : {};
}

/**
 * The log: one line of JSON an entry, to standard output. Lines carry ids, counts and reasons; never text, audio, tokens or
 * keys, whatever is handed in.
 */
export function createLogger(options: { level: string; name?: string; destination?: DestinationStream }): Logger {
  const settings: LoggerOptions = {
    level: options.level,
    base: options.name === undefined ? {} : { replica: options.name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }), log: scrubFields },
    // Errors are described by `scrubFields`; pino's own way would print all that they carry.
    serializers: { err: (value: unknown) => value },
    hooks: {
      logMethod(words: Parameters<LogFn>, write: LogFn) {
        // Without a message pino would take the error's.
        const [first, message] = words;
        const error = first instanceof Error ? first : Reflect.get(Object(first), 'err');
        if (!(error instanceof Error) || typeof message === 'string') write.apply(this, words);
        else write.call(this, first instanceof Error ? { err: first } : first, error.name);
      },
    },
  };
  return pino(settings, options.destination ?? output);
}

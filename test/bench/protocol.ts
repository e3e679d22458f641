import type { Segment } from './conversation.ts';

// What the processes of the bench can be asked. Everything travels as JSON; times are milliseconds, those of `clock` too.

/** Bytes after a collection. */
export interface Memory {
  /** Objects and buffers. */
  held: number;
  /** The whole process, with what its allocators keep for later. */
  resident: number;
}

export interface UsageCommands {
  /** User and system time of the process so far. */
  cpuMs: { in: null; out: number };
  memory: { in: null; out: Memory };
}

/** One event a tick to each topic in turn; `perSecond` paces them, else they come as fast as they can. */
export interface Production {
  topics: readonly string[];
  events: number;
  audio: boolean;
  perSecond?: number;
}

/** Whoever hands out events: raw `ws`, stock tRPC, Parley. */
export interface RelayCommands extends UsageCommands {
  start: { in: Record<string, string>; out: { url: string } };
  /** Resolves when all has been handed over. `startedAt`: when the first event was due. */
  produce: { in: Production; out: { startedAt: number } };
}

export interface HistoryTimes {
  /** Milliseconds of one read. */
  cached: number;
  shared: number | null;
  loaded: number;
  messages: number;
}

export interface ServerCommands extends RelayCommands {
  subscriptions: { in: null; out: number };
  /** The history of a prompt: from this process's cache, from Redis, from PostgreSQL. */
  history: { in: { conversationId: string; reads: number }; out: HistoryTimes };
}

/** One connection, and what is asked on it first. */
export interface Connection {
  kind: 'ws' | 'sse';
  port: number;
  path: string;
  token?: string;
  /** The conversation to subscribe to by tRPC's wire on a WebSocket; without it the connection itself subscribes. */
  message?: string;
}

export interface ListenerCommands extends UsageCommands {
  /** Resolves when every one of them listens. */
  open: { in: { group: string; connections: readonly Connection[] }; out: null };
  /** Forgets what was counted; `record`: events of each connection whose times are kept. */
  reset: { in: { group: string; record: number }; out: null };
  /** Resolves when the group has received this many events. */
  received: { in: { group: string; events: number }; out: { at: number } };
  /** How late events came: one was due every `everyMs`, for the next `fanOut` connections in turn. */
  lateness: {
    in: { group: string; startedAt: number; everyMs: number; fanOut: number };
    out: { p50: number; p99: number };
  };
  close: { in: { group: string }; out: null };
}

export interface Talk {
  conversations: readonly string[];
  /** As the scripted provider names it. */
  model: string;
}

export interface Speech extends Talk {
  /** Sound of one recording, cut as it is sent. */
  segments: readonly Segment[];
  turns: number;
  services: Services & { speechModel: string };
}

/** Addresses of the scripted services. */
export interface Services {
  provider: string;
  speech: string;
}

export interface TalkerCommands {
  open: { in: { port: number; token: string; conversations: readonly string[] }; out: null };
  /** Keeps a turn running in each of them, from now until `rest`. Resolves when all stream. */
  keep: { in: Talk; out: null };
  rest: { in: null; out: null };
  /** One turn after the other, with a direct call to the model before each. Milliseconds to the first delta. */
  probe: { in: Talk & { turns: number; provider: string }; out: { direct: number[]; turn: number[] } };
  /** So many turns, one at a time in each conversation. Milliseconds from the call to the first delta. */
  turns: { in: Talk & { turns: number }; out: number[] };
  /**
   * Spoken turns, each with a direct call to each service before it. Milliseconds from the end of speech to the first sound: of the
   * services alone, one after the other, and through the server.
   */
  speak: { in: Speech; out: { direct: number[]; turn: number[] } };
  /** The last 50 messages, read again and again. Milliseconds of one read. */
  messages: { in: { conversation: string; reads: number }; out: number[] };
}

export interface ProviderCommands {
  start: { in: null; out: Services };
}

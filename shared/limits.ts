/** Limits that are part of the contract. Those an operator may change are defaults here and read in the server's environment. */
export const protocolVersions = ['1'] as const;

export const limits = {
  /** Characters in one text turn, all parts together. */
  turnCharacters: 32_000,
  /** Turns waiting behind a running one. */
  queuedTurns: 8,
  /** Bytes of one WebSocket message, and of one that carries audio. */
  messageBytes: 256 * 1024,
  audioMessageBytes: 7 * 1024 * 1024,
  /** Bytes of an HTTP body that is not an upload. */
  bodyBytes: 1024 * 1024,
  uploadBytes: 25 * 1024 * 1024,
  batchCalls: 10,
  socketSubscriptions: 32,
  socketCalls: 64,
  handshakeMs: 10_000,
  jsonDepth: 32,
  /** Bytes that may wait for one subscriber before it is closed with SLOW_CONSUMER. */
  subscriberBytes: 1024 * 1024,
  segmentBytes: 5 * 1024 * 1024,
  segmentSeconds: 60,
  segmentIndex: 999,
  voiceSessionSeconds: 30 * 60,
  pageSize: 100,
  titleCharacters: 200,
  metadataBytes: 16 * 1024,
} as const;

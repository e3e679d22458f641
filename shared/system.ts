/** A service that does one part of the work, by provider name and model. */
export interface Provider {
  name: string;
  model: string;
  /** What it is, for people. */
  description?: string;
}

export interface Capabilities {
  llm: Provider;
  stt: Provider | null;
  tts: Provider | null;
  vad: Provider | null;
  audio: { in: string[]; out: string[] };
  limits: Record<string, number>;
  protocolVersions: string[];
}

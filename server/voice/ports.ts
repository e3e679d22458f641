import type { AudioFormat } from '@parley/shared/voice';
import type { Sound, Transcriber } from '../speech/port.ts';
import type { TurnPorts } from '../turn/ports.ts';
import type { TurnRunner } from '../turn/runner.ts';
import type { Deletions } from './deletion.ts';

/** A recording as it came. */
export interface Recording {
  data: Uint8Array;
  format: AudioFormat;
  sampleRate?: number | undefined;
}

/** Everything that voice needs of the rest of the server. */
export interface VoicePorts {
  turns: TurnPorts;
  runner: TurnRunner;
  transcriber: Transcriber;
  /**
   * The sound of a recording at 16 kHz, whole.
   * @throws ParleyError INVALID_INPUT, UNSUPPORTED_FORMAT, PAYLOAD_TOO_LARGE, TRANSCRIPTION_FAILED, UNAVAILABLE
   */
  decode(recording: Recording, maxSeconds: number): Promise<Sound>;
  /** Its speech without long silences; undefined when nobody speaks. */
  trim(sound: Sound, signal: AbortSignal): Promise<Sound | undefined>;
  /** What listens to a conversation ends with it. */
  deletions: Deletions;
  /**
   * How long after the last segment came missing ones are waited for, how long a recording of which nothing comes stays open
   * without its last one, and after how long the agent says that it listens.
   */
  timing: { missingMs: number; openMs: number; listeningMs: number };
}

/** A provider as metrics name it. */
export function nameOf({ name, model }: { name: string; model: string }): string {
  return `${name}/${model}`;
}

import { type MicrophoneSource, microphoneSource } from '@parley/client/recorder/microphone';

/** Null where the browser lets no page record: over HTTP from another machine, or in no format that is known. */
export function microphone(): MicrophoneSource | null {
  if (!navigator.mediaDevices?.getUserMedia || typeof MediaRecorder === 'undefined') return null;
  try {
    return microphoneSource();
  } catch {
    return null;
  }
}

import { createParley } from '@parley/client';
import { createAudioPlaylist } from 'expo-audio';
import { speakerOutput } from './audio-output.ts';
import { microphoneSource } from './audio-source.ts';

/** From `.env` or the shell; an app of your own asks its server for a token when somebody has signed in. */
const url = process.env.EXPO_PUBLIC_PARLEY_URL ?? 'http://127.0.0.1:4000';
const token = process.env.EXPO_PUBLIC_PARLEY_TOKEN ?? '';

export const parley = createParley({ url, token: () => token });
export const speaker = speakerOutput(() => createAudioPlaylist());
export const microphone = microphoneSource();

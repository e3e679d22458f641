import { createParley } from '@parley/client';
import { createPlayer } from '@parley/client/player';
import { createRecorder } from '@parley/client/recorder';
import { voiceCalls } from '@parley/client/recorder/send';
import { pcmSource } from '@parley/client/recorder/source';

/** What a phone's app takes of the client, as a program of its own: it leaves it where the world around it finds it. */
const parleyClient = { createParley, createPlayer, createRecorder, pcmSource, voiceCalls };
export type ParleyClient = typeof parleyClient;

Object.assign(globalThis, { parleyClient });

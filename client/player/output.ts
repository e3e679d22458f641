/** What sound is played on. All times are milliseconds on its own clock. */
export interface AudioOutput {
  /** The time at which what is audible now was given out to be. Never goes back. */
  now(): number;
  /** Plays mono samples from -1 to 1 from `at` on; a time that has passed is now. Pieces that touch are heard without a gap. */
  play(samples: Float32Array<ArrayBuffer>, sampleRate: number, at: number): void;
  /** Drops all that was given and is not played yet, and is silent at once. */
  stop(): void;
  /** Whether it waits to be allowed to sound, as a page does until somebody touches it. Its clock stands still meanwhile. */
  readonly isBlocked?: boolean;
  /** Asks for that; to be called when somebody touches the page. */
  enable?(): Promise<void>;
}

/** What is used of Web Audio's AudioContext, so that whatever is like it will do; `Node` is what sound can be led into. */
export interface SoundContext<Node, Buffer> {
  /** Seconds. */
  readonly currentTime: number;
  readonly outputLatency?: number;
  readonly destination: Node;
  readonly state?: string;
  resume?(): Promise<void>;
  createBuffer(channels: number, length: number, sampleRate: number): Buffer;
  createBufferSource(): SoundNode<Node, Buffer>;
}

interface SoundNode<Node, Buffer> {
  buffer: Buffer | null;
  onended: ((this: never, event: never) => unknown) | null;
  connect(to: Node): unknown;
  disconnect(): void;
  start(at: number): void;
  stop(): void;
}

/** An output on a page's AudioContext. `destination` is where the sound goes: the loudspeakers when it is not given. */
export function webAudioOutput<
  Node,
  Buffer extends { copyToChannel(from: Float32Array<ArrayBuffer>, channel: number): void },
>(context: SoundContext<Node, Buffer>, destination: Node = context.destination): AudioOutput {
  const playing = new Set<SoundNode<Node, Buffer>>();
  return {
    get isBlocked() {
      return context.state !== undefined && context.state !== 'running';
    },
    async enable() {
      await context.resume?.();
    },
    now: () => context.currentTime * 1000 - latencyMs(context),
    play(samples, sampleRate, at) {
      const buffer = context.createBuffer(1, samples.length, sampleRate);
      buffer.copyToChannel(samples, 0);
      const node = context.createBufferSource();
      node.buffer = buffer;
      node.connect(destination);
      playing.add(node);
      node.onended = () => {
        playing.delete(node);
        node.disconnect();
      };
      node.start(Math.max(context.currentTime, (at + latencyMs(context)) / 1000));
    },
    stop() {
      for (const node of playing) {
        node.onended = null;
        node.stop();
        node.disconnect();
      }
      playing.clear();
    },
  };
}

/** The way from the context to the ear; browsers that do not know it leave it out. It changes rarely, with the device. */
function latencyMs({ outputLatency = 0 }: { readonly outputLatency?: number }): number {
  return Number.isFinite(outputLatency) ? outputLatency * 1000 : 0;
}

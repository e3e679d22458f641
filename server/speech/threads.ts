import { Worker } from 'node:worker_threads';
import type { Outcome, Task } from './task.ts';

export interface ThreadsOptions {
  /** The module that runs in each thread; it calls `serve`. */
  module: URL;
  name: string;
  /** Threads at most; they start when there is work for them. */
  size: number;
  /** Jobs that may wait for a thread; one more is refused as `busy`. */
  waiting: number;
  /** A job that takes longer, loading included, ends with its thread. */
  jobMs: number;
  /** How long a thread may take to notice that its job was stopped before it is ended. Default 2,000. */
  stopMs?: number;
  /** The heap of one thread, in megabytes. */
  heapMb: number;
}

/** Why a job has no answer. `failed`: it threw, its thread lives. `hung` and `crashed`: its thread is gone. */
export type ThreadFault = 'busy' | 'failed' | 'hung' | 'crashed' | 'closed';

export class ThreadError extends Error {
  override readonly name = 'ThreadError';
  readonly fault: ThreadFault;
  constructor(fault: ThreadFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.fault = fault;
  }
}

/** Whether work was refused only because too much of it waits already, which says nothing of what it was to be done on. */
export function isBusy(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof ThreadError) return cause.fault === 'busy';
  return false;
}

interface Entry<Job, Answer> {
  job: Job;
  stop: Int32Array<SharedArrayBuffer>;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

interface Running<Job, Answer> {
  id: number;
  entry: Entry<Job, Answer>;
  timer: NodeJS.Timeout;
  ended: PromiseWithResolvers<void>;
}

interface Thread<Job, Answer> {
  worker: Worker;
  running: Running<Job, Answer> | undefined;
  /** It has answered once: from now on it looks whether its job was stopped. */
  isLoaded: boolean;
}

/** How long a thread that is still loading when everything closes may go on with it. */
const loadMs = 10_000;

/**
 * A bounded number of worker threads, each with one job at a time, and a bounded queue before them. A thread that crashes
 * or hangs takes only its own job with it; the next job starts another. Idle threads keep no process alive.
 */
export class Threads<Job, Answer> {
  readonly #options: ThreadsOptions;
  readonly #threads = new Set<Thread<Job, Answer>>();
  readonly #queue: Entry<Job, Answer>[] = [];
  #isClosed = false;
  #lastId = 0;

  constructor(options: ThreadsOptions) {
    this.#options = options;
  }

  /** The number of threads that live. */
  get size(): number {
    return this.#threads.size;
  }

  /**
   * Does a job in a thread. The job is copied to it. When `signal` aborts, the promise rejects at once with its reason
   * and the thread goes on to the next job as soon as it notices.
   * @throws ThreadError
   */
  run(job: Job, signal: AbortSignal): Promise<Answer> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#isClosed) return Promise.reject(new ThreadError('closed', `${this.#options.name} is closed`));
    if (this.#queue.length >= this.#options.waiting) {
      return Promise.reject(new ThreadError('busy', `${this.#options.name} has too much to do`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const entry: Entry<Job, Answer> = { job, stop: new Int32Array(new SharedArrayBuffer(4)), resolve, reject };
    const onAbort = (): void => {
      this.#abandon(entry);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#queue.push(entry);
    this.#pump();
    return promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  /**
   * Ends all threads, each as soon as it has noticed; jobs without an answer reject as `closed` at once. A thread that is
   * ended in the middle of native code, such as the loading of a model, takes the process with it.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    const error = new ThreadError('closed', `${this.#options.name} is closed`);
    for (const { reject } of this.#queue.splice(0)) reject(error);
    const closing = [...this.#threads].map(async (thread) => {
      const { running } = thread;
      if (running) {
        running.entry.reject(error);
        this.#stop(thread, running, Math.min(this.#options.jobMs, loadMs));
        await running.ended.promise;
      }
      await this.#end(thread, error);
    });
    await Promise.all(closing);
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const thread = this.#idle();
      const entry = thread && this.#queue.shift();
      if (entry === undefined || thread === undefined) return;
      this.#start(thread, entry);
    }
  }

  #idle(): Thread<Job, Answer> | undefined {
    for (const thread of this.#threads) if (thread.running === undefined) return thread;
    return this.#threads.size < this.#options.size ? this.#open() : undefined;
  }

  #open(): Thread<Job, Answer> {
    const { module, name, heapMb } = this.#options;
    const worker = new Worker(module, {
      name,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 16 },
    });
    worker.unref();
    const thread: Thread<Job, Answer> = { worker, running: undefined, isLoaded: false };
    worker.on('message', (outcome: Outcome<Answer>) => this.#finish(thread, outcome));
    const onGone = (cause?: unknown): void => {
      void this.#end(thread, new ThreadError('crashed', `${name} has ended`, cause));
    };
    worker.on('error', onGone);
    worker.on('messageerror', onGone);
    worker.on('exit', () => onGone());
    this.#threads.add(thread);
    return thread;
  }

  #start(thread: Thread<Job, Answer>, entry: Entry<Job, Answer>): void {
    const id = ++this.#lastId;
    const timer = this.#deadline(thread, this.#options.jobMs);
    thread.running = { id, entry, timer, ended: Promise.withResolvers() };
    thread.worker.ref();
    const task: Task<Job> = { id, job: entry.job, stop: entry.stop };
    thread.worker.postMessage(task);
  }

  #deadline(thread: Thread<Job, Answer>, ms: number): NodeJS.Timeout {
    const error = new ThreadError('hung', `${this.#options.name} did not answer in time`);
    return setTimeout(() => void this.#end(thread, error), ms);
  }

  #finish(thread: Thread<Job, Answer>, outcome: Outcome<Answer>): void {
    const { running } = thread;
    if (running?.id !== outcome.id) return;
    clearTimeout(running.timer);
    thread.running = undefined;
    thread.isLoaded = true;
    thread.worker.unref();
    running.ended.resolve();
    if (outcome.ok) running.entry.resolve(outcome.answer);
    else running.entry.reject(new ThreadError('failed', outcome.message));
    this.#pump();
  }

  #abandon(entry: Entry<Job, Answer>): void {
    const place = this.#queue.indexOf(entry);
    if (place >= 0) this.#queue.splice(place, 1);
    for (const thread of this.#threads)
      if (thread.running?.entry === entry) this.#stop(thread, thread.running, this.#options.jobMs);
  }

  /** Asks for a job's end. A thread that is loading cannot notice before it has loaded. */
  #stop(thread: Thread<Job, Answer>, running: Running<Job, Answer>, whileLoadingMs: number): void {
    Atomics.store(running.entry.stop, 0, 1);
    clearTimeout(running.timer);
    running.timer = this.#deadline(thread, thread.isLoaded ? (this.#options.stopMs ?? 2_000) : whileLoadingMs);
  }

  async #end(thread: Thread<Job, Answer>, error: ThreadError): Promise<void> {
    if (!this.#threads.delete(thread)) return;
    if (thread.running !== undefined) {
      clearTimeout(thread.running.timer);
      thread.running.entry.reject(error);
      thread.running.ended.resolve();
      thread.running = undefined;
    }
    const gone = thread.worker.terminate();
    this.#pump();
    await gone;
  }
}

import { readFile } from 'node:fs/promises';
import vm from 'node:vm';
import { Clock } from './phone-clock.ts';
import { Networking } from './phone-networking.ts';
import { WebSocketModule } from './phone-websocket.ts';

/**
 * What V8 has of the language and Hermes (React Native 0.86) has not, or has not had until lately: a program that runs without
 * these runs on both.
 */
const absent = {
  globals: [
    'SharedArrayBuffer',
    'Atomics',
    'WebAssembly',
    'FinalizationRegistry',
    'Iterator',
    'AsyncDisposableStack',
    'DisposableStack',
    'SuppressedError',
    'Float16Array',
    'Temporal',
    'escape',
    'unescape',
  ],
  members: [
    'Array.fromAsync',
    'ArrayBuffer.prototype.transfer',
    'ArrayBuffer.prototype.transferToFixedLength',
    'ArrayBuffer.prototype.resize',
    'Error.isError',
    'Intl.Segmenter',
    'Intl.DurationFormat',
    'Intl.ListFormat',
    'Map.groupBy',
    'Map.prototype.getOrInsert',
    'Map.prototype.getOrInsertComputed',
    'Math.sumPrecise',
    'Math.f16round',
    'Object.groupBy',
    'Promise.try',
    'Promise.withResolvers',
    'RegExp.escape',
    'Set.prototype.difference',
    'Set.prototype.intersection',
    'Set.prototype.isDisjointFrom',
    'Set.prototype.isSubsetOf',
    'Set.prototype.isSupersetOf',
    'Set.prototype.symmetricDifference',
    'Set.prototype.union',
    'String.prototype.isWellFormed',
    'String.prototype.toWellFormed',
    'Symbol.asyncDispose',
    'Symbol.dispose',
    'Uint8Array.fromBase64',
    'Uint8Array.fromHex',
    'Uint8Array.prototype.setFromBase64',
    'Uint8Array.prototype.setFromHex',
    'Uint8Array.prototype.toBase64',
    'Uint8Array.prototype.toHex',
  ],
} as const;

/**
 * A phone that runs React Native: a JavaScript context of its own in which React Native 0.86 has set up its globals itself, on
 * native modules that are made here of Node's sockets. Nothing of Node is to be seen in it.
 */
export class Phone {
  readonly clock = new Clock();
  readonly sockets = new WebSocketModule((name, event) => this.#emit(name, event));
  readonly networking = new Networking((name, event) => this.#emit(name, event));
  readonly #context: vm.Context;

  private constructor() {
    this.#context = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
  }

  /** @param environment The bundle of React Native's `InitializeCore`. */
  static async boot(environment: string): Promise<Phone> {
    const phone = new Phone();
    const { clock } = phone;
    const constants = {
      isTesting: true,
      isDisableAnimations: true,
      Version: 34,
      Release: '14',
      Serial: 'unknown',
      Fingerprint: 'test',
      Model: 'test',
      Brand: 'test',
      Manufacturer: 'test',
      ServerHost: '',
      uiMode: 'normal',
      reactNativeVersion: { major: 0, minor: 86, patch: 3, prerelease: null },
    };
    const modules: Record<string, object> = {
      WebSocketModule: phone.sockets,
      Networking: phone.networking,
      NativeMicrotasksCxx: { queueMicrotask },
      PlatformConstants: { getConstants: () => constants },
      NativeReactNativeFeatureFlagsCxx: new Proxy({}, { get: () => () => false }),
    };
    const globals = {
      setTimeout: clock.setTimeout,
      clearTimeout: clock.clear,
      setInterval: clock.setInterval,
      clearInterval: clock.clear,
      // What the native side of React Native puts there before any program runs.
      __turboModuleProxy: (name: string) => modules[name],
      nativeModuleProxy: {},
      RN$Bridgeless: true,
      RN$useAlwaysAvailableJSErrorHandling: true,
      RN$registerCallableModule: () => {},
      RN$handleException: (error: unknown, isFatal: boolean) => {
        if (isFatal) throw error;
        phone.logged.push(String(error));
      },
      HermesInternal: {
        hasPromise: () => true,
        enablePromiseRejectionTracker: () => {},
        getRuntimeProperties: () => ({}),
      },
      nativeLoggingHook: (text: string) => phone.logged.push(text),
    };
    phone.run('globalThis.global = globalThis');
    for (const [name, value] of Object.entries(globals)) phone.define(name, value);
    // Hermes has one of its own; it has no TextDecoder.
    phone.define('TextEncoder', TextEncoder);
    for (const name of absent.globals) phone.run(`delete globalThis.${name}`);
    for (const member of absent.members) phone.run(`delete globalThis.${member}`);
    await phone.load(environment);
    return phone;
  }

  /** What was written to its console. */
  readonly logged: string[] = [];

  /** Runs a bundle from a file. */
  async load(file: string): Promise<void> {
    new vm.Script(await readFile(file, 'utf8'), { filename: file }).runInContext(this.#context);
  }

  run(code: string): unknown {
    return vm.runInContext(code, this.#context);
  }

  define(name: string, value: unknown): void {
    Object.defineProperty(this.#context, name, { value, configurable: true, writable: true, enumerable: true });
  }

  /** The app goes to the background: its JavaScript stands still from now on. What the network brings waits. */
  suspend(): void {
    this.clock.freeze();
  }

  /** The app is in the foreground again: what is due happens. */
  resume(): void {
    this.clock.thaw();
  }

  close(): void {
    this.clock.close();
    this.sockets.close();
    this.networking.close();
  }

  #emit(name: string, event: unknown): void {
    this.clock.when(() => {
      const emitter = this.run('globalThis.__rctDeviceEventEmitter');
      if (!isEmitter(emitter)) throw new Error('React Native has no device emitter.');
      emitter.emit(name, event);
    });
  }
}

function isEmitter(value: unknown): value is { emit(name: string, event: unknown): void } {
  return typeof value === 'object' && value !== null && 'emit' in value && typeof value.emit === 'function';
}

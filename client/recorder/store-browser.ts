import { newId } from '@parley/shared/id';
import { memoryStore, type RecordingKey, type Segment, type SegmentStore } from './store.ts';

export interface BrowserStoreOptions {
  /** Of the database: another one for each user, whose recordings are nobody else's. */
  name: string;
  /** Milliseconds after which what was never sent is forgotten; a week by default. */
  mostAgeMs?: number;
  indexedDB?: IDBFactory | undefined;
  /** Web Locks, by which pages know of each other. Without them a second page takes up what the first one still records. */
  locks?: LockManager | undefined;
}

interface Row {
  /** The recording, and the index of a segment. */
  key: string[];
  /** The page that put it. */
  page: string;
  storedAt: number;
}
interface SegmentRow extends Row {
  segment: Segment;
}
interface CancelledRow extends Row {
  recording: RecordingKey;
}

const tables = ['segments', 'cancelled'] as const;
type Table = (typeof tables)[number];
/** How long the database may take to open, in milliseconds: another page may be in its way. */
const openMs = 5_000;

/**
 * Keeps recordings in a browser's IndexedDB until the server has them. Where there is none, as in some private windows, they
 * are kept for as long as the page is there. What another page that is still open keeps is not listed.
 */
export function browserStore(options: BrowserStoreOptions): SegmentStore {
  const { name, mostAgeMs = 7 * 24 * 3_600_000 } = options;
  const factory = options.indexedDB ?? globalThis.indexedDB;
  const locks = options.locks ?? globalThis.navigator?.locks;
  const memory = memoryStore();
  const page = newId();
  const lockOf = (of: string): string => `${name}:${of}`;
  const closed = new AbortController();
  let opened: Promise<IDBDatabase | undefined> | undefined;

  /** The database, or undefined where there is none. Opened with the first call, also the lock that says that we are here. */
  const database = (): Promise<IDBDatabase | undefined> => {
    opened ??= open(factory, name).then(
      (db) => {
        // Held until the page is gone, or sends nothing more of it.
        if (!closed.signal.aborted)
          locks
            ?.request(lockOf(page), () => new Promise((give) => closed.signal.addEventListener('abort', give)))
            .catch(() => {});
        return db;
      },
      () => undefined,
    );
    return opened;
  };

  /** Of this page, and of those that are gone. */
  const listed = async <Listed extends Row>(db: IDBDatabase, table: Table): Promise<Listed[]> => {
    const rows = await done<Listed[]>(db, table, (store) => store.getAll());
    const held = new Set((await locks?.query())?.held?.map((lock) => lock.name));
    const oldest = Date.now() - mostAgeMs;
    for (const row of rows) if (row.storedAt < oldest) await done(db, table, (store) => store.delete(row.key));
    return rows.filter((row) => row.storedAt >= oldest && (row.page === page || !held.has(lockOf(row.page))));
  };

  return {
    async put(segment) {
      const db = await database();
      if (!db) return memory.put(segment);
      const row: SegmentRow = { key: keyOf(segment, segment.index), page, storedAt: Date.now(), segment };
      await done(db, 'segments', (rows) => rows.put(row));
    },
    async remove(key, index) {
      const db = await database();
      if (!db) return memory.remove(key, index);
      await done(db, 'segments', (rows) => rows.delete(keyOf(key, index)));
    },
    async list() {
      const db = await database();
      if (!db) return memory.list();
      return (await listed<SegmentRow>(db, 'segments')).map(({ segment }) => segment);
    },
    close: () => closed.abort(),
    cancelled: {
      async put(recording) {
        const db = await database();
        if (!db) return memory.cancelled.put(recording);
        const row: CancelledRow = { key: keyOf(recording), page, storedAt: Date.now(), recording };
        await done(db, 'cancelled', (rows) => rows.put(row));
      },
      async remove(key) {
        const db = await database();
        if (!db) return memory.cancelled.remove(key);
        await done(db, 'cancelled', (rows) => rows.delete(keyOf(key)));
      },
      async list() {
        const db = await database();
        if (!db) return memory.cancelled.list();
        return (await listed<CancelledRow>(db, 'cancelled')).map(({ recording }) => recording);
      },
    },
  };
}

function keyOf({ conversationId, voiceSessionId }: RecordingKey, index?: number): string[] {
  return index === undefined ? [conversationId, voiceSessionId] : [conversationId, voiceSessionId, String(index)];
}

function open(factory: IDBFactory | undefined, name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    if (!factory) throw new TypeError('no IndexedDB');
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new Error('IndexedDB does not open.'));
    }, openMs);
    const request = factory.open(name, 2);
    request.onupgradeneeded = () => {
      const { result } = request;
      for (const table of tables)
        if (!result.objectStoreNames.contains(table)) result.createObjectStore(table, { keyPath: 'key' });
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      const db = request.result;
      if (isLate) db.close();
      // A page with a newer version must not wait for us.
      db.onversionchange = () => db.close();
      resolve(db);
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(request.error);
    };
  });
}

/** One request in a transaction of its own; resolves when that is committed. */
function done<T>(db: IDBDatabase, table: Table, ask: (rows: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(table, 'readwrite');
    const request = ask(transaction.objectStore(table));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

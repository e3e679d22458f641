import { newId } from '@parley/shared/id';
import { limits } from '@parley/shared/limits';
import { useCallback, useState } from 'react';
import { currentToken } from '../session/session.ts';

/** A file that is to go with the next message. */
export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly status: 'uploading' | 'ready' | 'failed' | 'tooLarge';
}

/** Files of one message at most. */
const most = 16;

async function send(id: string, file: File): Promise<void> {
  const form = new FormData();
  form.append('id', id);
  form.append('file', file, file.name);
  const headers = { authorization: `Bearer ${await currentToken()}` };
  const response = await fetch('/attachments', { method: 'POST', headers, body: form });
  if (!response.ok) throw new Error(`The file was answered with ${response.status}.`);
}

/** Files are sent as soon as they are chosen, so that the message does not wait for them later. */
export function useUploads() {
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const become = useCallback((id: string, status: Upload['status']) => {
    setUploads((before) => before.map((each) => (each.id === id ? { ...each, status } : each)));
  }, []);
  const add = useCallback(
    (files: Iterable<File>) => {
      const chosen = [...files].slice(0, most).map((file) => ({ id: newId(), file }));
      setUploads((before) =>
        [
          ...before,
          ...chosen.map(({ id, file }) => ({
            id,
            name: file.name,
            status: file.size > limits.uploadBytes ? ('tooLarge' as const) : ('uploading' as const),
          })),
        ].slice(0, most),
      );
      for (const { id, file } of chosen) {
        if (file.size > limits.uploadBytes) continue;
        send(id, file).then(
          () => become(id, 'ready'),
          () => become(id, 'failed'),
        );
      }
    },
    [become],
  );
  const remove = useCallback((id: string) => setUploads((before) => before.filter((each) => each.id !== id)), []);
  const clear = useCallback(() => setUploads([]), []);
  return { uploads, add, remove, clear };
}

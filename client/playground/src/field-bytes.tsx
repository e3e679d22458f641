import { useState } from 'react';
import { problemText } from './draft.ts';
import { type EditorProps, useWords } from './field-frame.tsx';
import { sizeText } from './schema.ts';

/** A file is read into memory: what no procedure takes is not read. */
const most = 25_000_000;

/** Bytes, taken from a file. */
export function BytesEditor({ value, onChange, path }: EditorProps<'bytes'>) {
  const words = useWords(path);
  const [problem, setProblem] = useState('');
  const read = async (file: File | undefined): Promise<void> => {
    setProblem('');
    if (!file) return onChange(undefined);
    if (file.size > most) return setProblem(`${file.name} has ${sizeText(file.size)}, which is too much.`);
    try {
      onChange(new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      setProblem(problemText(error));
    }
  };
  return (
    <>
      <input {...words} className="file" type="file" onChange={(event) => void read(event.target.files?.[0])} />
      <p className="note" role="status">
        {problem || given(value)}
      </p>
    </>
  );
}

function given(value: unknown): string {
  if (value instanceof Uint8Array) return `${sizeText(value.length)} to send.`;
  return typeof value === 'string' ? `${value.length} characters of base64 to send.` : 'Not chosen yet: not sent.';
}

import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { limits } from '@parley/shared/limits';
import { isReason } from '@parley/shared/reason';
import { isRecord, ParleyFailure } from '../failure.ts';
import { type Command, CommandFailure, note, print } from './command.ts';
import { openHttp, parse, sessionHelp, sessionOptions } from './session.ts';

export const upload: Command = {
  summary: 'upload a file and print its id',
  help: `usage: npm run parley -- upload FILE [options]

Uploads a file of at most 25 MB and prints the id of the attachment, to use in a message.

  --id ID          its id, a UUID; the same file again is then the same attachment
  --json           print all that the server says of it, as JSON
${sessionHelp}`,
  async run(args) {
    const options = { ...sessionOptions, id: { type: 'string' }, json: { type: 'boolean' } } as const;
    const { values, positionals } = parse(args, options, ['FILE']);
    const [file = ''] = positionals;
    const form = new FormData();
    if (values.id !== undefined) form.append('id', values.id);
    // Read from the disk while it is sent.
    form.append('file', await blobOf(file), basename(file));
    const { url, headers } = await openHttp(values);
    const attachment = await post(`${url}/attachments`, headers, form);
    if (values.json) {
      await print(`${JSON.stringify(attachment)}\n`);
      return 0;
    }
    await print(`${String(attachment.id)}\n`);
    note(`${String(attachment.filename)}: ${String(attachment.mediaType)}, ${String(attachment.size)} bytes`);
    return 0;
  },
};

async function blobOf(file: string): Promise<Blob> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) throw new CommandFailure(`there is no file ${file}`);
  if (found.size > limits.uploadBytes) throw new CommandFailure(`${file} has more than 25 MB`);
  return await openAsBlob(file);
}

async function post(url: string, headers: Record<string, string>, body: FormData): Promise<Record<string, unknown>> {
  const response = await fetch(url, { method: 'POST', headers, body });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && isRecord(answer)) return answer;
  throw failureIn(answer);
}

function failureIn(answer: unknown): Error {
  const error = isRecord(answer) && isRecord(answer.error) ? answer.error : {};
  const data = isRecord(error.data) ? error.data : {};
  if (!isReason(data.reason)) return new CommandFailure('the server did not say what became of it');
  const traceId = typeof data.traceId === 'string' ? data.traceId : undefined;
  return new ParleyFailure(data.reason, String(error.message), { traceId });
}

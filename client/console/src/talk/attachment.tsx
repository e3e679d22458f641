import type { AttachmentKind } from '@parley/shared/message';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { currentToken } from '../session/session.ts';
import { useStrings } from '../strings/language.tsx';
import { Icon } from '../ui/icon.tsx';

export interface ShownAttachment {
  id: string;
  kind: AttachmentKind;
  filename: string;
}

async function load(id: string, signal: AbortSignal): Promise<Blob> {
  const headers = { authorization: `Bearer ${await currentToken()}` };
  const response = await fetch(`/attachments/${encodeURIComponent(id)}`, { headers, signal });
  if (!response.ok) throw new Error(`The file was answered with ${response.status}.`);
  return await response.blob();
}

/** An address for bytes that the page holds, as long as it is shown. */
function useObjectUrl(blob: Blob | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!blob) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => {
      setUrl(undefined);
      URL.revokeObjectURL(made);
    };
  }, [blob]);
  return url;
}

/** Reading a file needs a credential, so that the page loads it itself: pictures and sound at once, others when asked. */
export function Attachment({ attachment }: { attachment: ShownAttachment }) {
  switch (attachment.kind) {
    case 'image':
    case 'audio':
      return <Media attachment={attachment} />;
    case 'file':
    case 'video':
      return <FileButton attachment={attachment} />;
  }
}

function Media({ attachment: { id, kind, filename } }: { attachment: ShownAttachment }) {
  const { talk } = useStrings();
  const query = useQuery({
    queryKey: ['attachment', id],
    queryFn: ({ signal }) => load(id, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    retry: 2,
  });
  const url = useObjectUrl(query.data);
  if (query.isError)
    return (
      <span className="file">
        <Icon name="file" />
        <span>
          {filename}: {talk.attachmentFailed}
        </span>
      </span>
    );
  if (kind === 'audio')
    // biome-ignore lint/a11y/useMediaCaption: what is said in it is written above or below it.
    return <audio className="attachment-audio" controls preload="metadata" src={url} aria-label={filename} />;
  if (url === undefined) return <span className="attachment-box" role="img" aria-label={talk.image(filename)} />;
  return <img className="attachment-image" src={url} alt={talk.image(filename)} />;
}

function FileButton({ attachment: { id, filename } }: { attachment: ShownAttachment }) {
  const { talk } = useStrings();
  const [hasFailed, setFailed] = useState(false);
  const download = async (): Promise<void> => {
    setFailed(false);
    try {
      const url = URL.createObjectURL(await load(id, AbortSignal.timeout(120_000)));
      const link = document.createElement('a');
      link.href = url;
      link.download = filename;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch {
      setFailed(true);
    }
  };
  return (
    <button type="button" className="file" aria-label={talk.download(filename)} onClick={() => void download()}>
      <Icon name="file" />
      <span>{hasFailed ? `${filename}: ${talk.attachmentFailed}` : filename}</span>
    </button>
  );
}

import { useStrings } from '../strings/language.tsx';
import { Icon } from '../ui/icon.tsx';
import type { Upload } from './uploads.ts';

/** The files that go with the next message. */
export function ComposerFiles({ uploads, onRemove }: { uploads: readonly Upload[]; onRemove: (id: string) => void }) {
  const { composer } = useStrings();
  if (uploads.length === 0) return null;
  const textOf = ({ name, status }: Upload): string => {
    switch (status) {
      case 'uploading':
      case 'ready':
        return name;
      case 'failed':
        return composer.uploadFailed(name);
      case 'tooLarge':
        return composer.tooLarge(name);
    }
  };
  return (
    <ul className="composer-files" aria-live="polite">
      {uploads.map((upload) => (
        <li
          key={upload.id}
          className={`composer-file is-${upload.status}`}
          aria-label={upload.status === 'uploading' ? composer.uploading(upload.name) : undefined}
        >
          <Icon name="file" size={16} />
          <span>{textOf(upload)}</span>
          <button
            type="button"
            className="icon-button"
            aria-label={composer.remove(upload.name)}
            title={composer.remove(upload.name)}
            onClick={() => onRemove(upload.id)}
          >
            <Icon name="close" size={16} />
          </button>
        </li>
      ))}
    </ul>
  );
}

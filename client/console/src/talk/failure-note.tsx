import { explain } from '@parley/shared/explain';
import type { Reason } from '@parley/shared/reason';
import { useLanguage, useStrings } from '../strings/language.tsx';
import { Icon } from '../ui/icon.tsx';

/** What went wrong with a turn, in the person's language, and a way to try again where that can help. */
export function FailureNote({
  code,
  message,
  hint,
  onRetry,
}: {
  code: Reason | undefined;
  message?: string | undefined;
  /** What to do where trying again cannot help. */
  hint?: string | undefined;
  onRetry?: () => void;
}) {
  const { talk } = useStrings();
  const language = useLanguage();
  return (
    <div className="failure">
      <p>
        {code ? explain(code, language) : (message ?? talk.failed)}
        {hint !== undefined && ` ${hint}`}
      </p>
      {onRetry && (
        <button type="button" className="button small" onClick={onRetry}>
          <Icon name="retry" size={16} />
          {talk.retry}
        </button>
      )}
    </div>
  );
}

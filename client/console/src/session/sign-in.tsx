import { type FormEvent, useEffect, useId, useState } from 'react';
import { useStrings } from '../strings/language.tsx';
import { Mark } from '../ui/icon.tsx';
import { offersLocal } from './session.ts';

export type SignInFailure = 'expired' | 'refused' | 'unreachable';

/** The first page: one click where the server offers it, else a token. */
export function SignIn({
  failure,
  isChecking,
  onLocal,
  onToken,
}: {
  failure: SignInFailure | undefined;
  isChecking: boolean;
  onLocal: () => void;
  onToken: (token: string) => void;
}) {
  const { signIn } = useStrings();
  const [offer, setOffer] = useState<'asking' | 'local' | 'token'>('asking');
  const [wantsToken, setWantsToken] = useState(false);
  useEffect(() => {
    let isLeft = false;
    offersLocal().then(
      (isLocal) => isLeft || setOffer(isLocal ? 'local' : 'token'),
      () => isLeft || setOffer('token'),
    );
    return () => {
      isLeft = true;
    };
  }, []);
  return (
    <main id="main" tabIndex={-1} className="sign-in">
      <div className="sign-in-card">
        <div className="sign-in-head">
          <Mark size={48} />
          <h1>Parley</h1>
          <p>{signIn.lead}</p>
        </div>
        <p role="alert" className="error" hidden={failure === undefined}>
          {failure && signIn[failure]}
        </p>
        {offer === 'local' && (
          <div className="sign-in-local">
            <button type="button" className="button primary" disabled={isChecking} onClick={onLocal}>
              {isChecking ? signIn.checking : signIn.local}
            </button>
            <p className="note">{signIn.localNote}</p>
            {!wantsToken && (
              <button type="button" className="text-button" onClick={() => setWantsToken(true)}>
                {signIn.withToken}
              </button>
            )}
          </div>
        )}
        {(offer === 'token' || wantsToken) && <TokenForm isChecking={isChecking} onToken={onToken} />}
      </div>
    </main>
  );
}

function TokenForm({ isChecking, onToken }: { isChecking: boolean; onToken: (token: string) => void }) {
  const { signIn } = useStrings();
  const id = useId();
  const [token, setToken] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (token.trim() !== '') onToken(token.trim());
  };
  return (
    <form onSubmit={submit}>
      <label htmlFor={id}>{signIn.token}</label>
      <input
        id={id}
        className="field"
        type="password"
        autoComplete="off"
        spellCheck={false}
        required
        value={token}
        aria-describedby={`${id}-note`}
        onChange={(event) => setToken(event.target.value)}
      />
      <p id={`${id}-note`} className="note">
        {signIn.tokenNote}
      </p>
      <button type="submit" className="button primary" disabled={isChecking}>
        {isChecking ? signIn.checking : signIn.submit}
      </button>
    </form>
  );
}

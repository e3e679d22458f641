import { type FormEvent, useEffect, useState } from 'react';
import { keepToken, offersLocal, signInHere } from '../../console/src/session/session.ts';
import { problemText } from './draft.ts';

/** Where nobody has signed in: with a token or a key, or with one click on this machine. */
export function SignIn({ onSignedIn }: { onSignedIn: (user: string) => void }) {
  const [isLocal, setLocal] = useState(false);
  const [token, setToken] = useState('');
  const [user, setUser] = useState('');
  const [problem, setProblem] = useState('');
  useEffect(() => {
    // Without an answer there is the token.
    offersLocal().then(setLocal, () => setLocal(false));
  }, []);
  const here = async (): Promise<void> => {
    try {
      await signInHere();
      onSignedIn('');
    } catch (error) {
      setProblem(problemText(error));
    }
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (token.trim() === '') setProblem('A token is needed.');
    else {
      keepToken(token.trim());
      onSignedIn(user.trim());
    }
  };
  return (
    <main className="sign-in-page">
      <h1>Parley playground</h1>
      <p className="note">Call every procedure of this server by hand, and watch its subscriptions.</p>
      {isLocal && (
        <button type="button" className="button primary" onClick={() => void here()}>
          Sign in on this machine
        </button>
      )}
      <form onSubmit={submit}>
        <label htmlFor="token">Access token or API key</label>
        <input
          id="token"
          className="field"
          type="password"
          autoComplete="off"
          value={token}
          onChange={(event) => setToken(event.target.value)}
          aria-describedby="sign-in-problem"
        />
        <label htmlFor="user">User that an API key acts for (optional)</label>
        <input
          id="user"
          className="field"
          autoComplete="off"
          value={user}
          onChange={(event) => setUser(event.target.value)}
        />
        <p className="error" id="sign-in-problem" role="alert">
          {problem}
        </p>
        <button type="submit" className={isLocal ? 'button' : 'button primary'}>
          Sign in
        </button>
      </form>
    </main>
  );
}

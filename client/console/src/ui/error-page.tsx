import { Component, type ReactNode } from 'react';
import { useStrings } from '../strings/language.tsx';

/** What is shown when the page itself is at fault: instead of nothing at all. */
export class ErrorPage extends Component<{ children: ReactNode }, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    return this.state.hasFailed ? <Apology /> : this.props.children;
  }
}

function Apology() {
  const strings = useStrings();
  return (
    <main className="home" role="alert">
      <h2>{strings.unexpected}</h2>
      <button type="button" className="button primary" onClick={() => location.reload()}>
        {strings.reload}
      </button>
    </main>
  );
}

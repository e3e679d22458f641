import { useStrings } from '../strings/language.tsx';

export function Pending({ text }: { text: string }) {
  const { talk } = useStrings();
  return (
    <p className="pending">
      <span className="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {text || talk.listening}
    </p>
  );
}

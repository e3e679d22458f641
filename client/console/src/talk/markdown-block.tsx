import { memo } from 'react';
import ReactMarkdown, { type Components } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { useStrings } from '../strings/language.tsx';

/** Addresses that a link may lead to. Others, also those of this server, stay text. */
const allowed = /^(https?:\/\/|mailto:)/i;

function safeUrl(url: string): string {
  return allowed.test(url) ? url : '';
}

const components: Components = {
  a({ href, children }) {
    if (!href) return <span>{children}</span>;
    return (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    );
  },
  input: ({ checked }) => <Task isDone={checked === true} />,
  img: ({ src, alt }) => <RemoteImage src={src} alt={alt} />,
  table: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard.
    <div className="table" tabIndex={0}>
      <table>{children}</table>
    </div>
  ),
  pre: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard.
    <pre tabIndex={0}>{children}</pre>
  ),
};

function Task({ isDone }: { isDone: boolean }) {
  const { talk } = useStrings();
  return (
    <span className="task" role="img" aria-label={isDone ? talk.done : talk.open}>
      {isDone ? '☑' : '☐'}
    </span>
  );
}

/** Loading it would tell a stranger who reads what, and when: it is a link. */
function RemoteImage({ src, alt }: { src?: string | Blob | undefined; alt?: string | undefined }) {
  const strings = useStrings();
  const label = alt || strings.talk.imageLink;
  if (typeof src !== 'string' || src === '') return <span>{label}</span>;
  return (
    <a href={src} target="_blank" rel="noopener noreferrer nofollow">
      {label}
    </a>
  );
}

/** What a text without marks of markdown cannot have. Most paragraphs are such texts, and need not be taken apart. */
const marks = /[*_`~#|[\]<>&\\]|^\s*(?:[-+]|\d+[.)])\s|^\s*[-=]{2,}|https?:|www\.|@|^ {4}|\t| {2}\n/m;

/** Markdown without HTML: tags in it are text. */
export default memo(function MarkdownBlock({ text }: { text: string }) {
  if (!marks.test(text)) return <p>{text}</p>;
  return (
    <ReactMarkdown remarkPlugins={[remarkGfm]} components={components} urlTransform={safeUrl}>
      {text}
    </ReactMarkdown>
  );
});

import { lazy, memo, Suspense } from 'react';

const MarkdownBlock = lazy(() => import('./markdown-block.tsx'));

/** Loads what shows markdown before there is any. */
export function prepareMarkdown(): void {
  void import('./markdown-block.tsx');
}

/** A text in pieces that do not change any more, each shown once, and the last one that still grows. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <div className="markdown">
      <Suspense fallback={<p className="plain">{text}</p>}>
        {blocksOf(text).map((block, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a text only grows at its end, so that a block keeps its place.
          <MarkdownBlock key={index} text={block} />
        ))}
      </Suspense>
    </div>
  );
});

/** Splits at blank lines that are neither in fenced code nor before what belongs to a list. */
export function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  let block = '';
  let fence: string | undefined;
  let isBlank = false;
  for (const line of text.split('\n')) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    const isOwn = /^(?!\s|[-*+>|] |\d+[.)] |\[)/.test(line);
    if (fence === undefined && isBlank && isOwn && line !== '') {
      blocks.push(block);
      block = '';
    }
    block += block === '' ? line : `\n${line}`;
    isBlank = line.trim() === '';
    if (mark !== undefined) {
      if (fence === undefined) fence = mark;
      else if (mark.startsWith(fence)) fence = undefined;
    }
  }
  if (block !== '') blocks.push(block);
  return blocks;
}

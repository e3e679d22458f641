import { lazy, memo, Suspense } from 'react';
import { blocksOf } from './blocks.ts';

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

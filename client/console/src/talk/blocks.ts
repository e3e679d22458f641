/** A line that begins something of its own, also when no more of the line has come yet. */
const own = /^(?!\s|[-*+>|](?: |$)|\d+(?:[.)](?: |$)|$)|\[)/;

/** Splits at blank lines that are neither in fenced code nor before what belongs to a list. */
export function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  let block = '';
  let fence: string | undefined;
  let isBlank = false;
  for (const line of text.split('\n')) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    const isOwn = own.test(line);
    if (fence === undefined && isBlank && isOwn && line !== '') {
      blocks.push(block);
      block = '';
    }
    block += block === '' ? line : `\n${line}`;
    isBlank = line.trim() === '';
    if (mark !== undefined) {
      if (fence === undefined) fence = mark;
      else if (mark.startsWith(fence) && line.trim() === mark) fence = undefined;
    }
  }
  if (block !== '') blocks.push(block);
  return blocks;
}

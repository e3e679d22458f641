/** Neither JSON columns nor UTF-8 can hold NUL and half a surrogate pair: a text with one is refused later, or silently changed. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** The text without what cannot be stored, for text that nobody is there to be told about: NUL is left out, half a pair replaced. */
export function storable(text: string): string {
  return isStorable(text) ? text : text.replaceAll('\0', '').toWellFormed();
}

/** UTF-16 units of a name, as most file systems count them for the better part of the world's scripts. */
const longest = 200;

/**
 * A file's name as people may see it and disks may take it: the last part of any path, without control and format characters
 * (which could turn the direction of writing and so hide an extension), at most 200 long with its extension kept. It is for
 * show: nothing is stored under it.
 */
export function cleanFilename(given: string): string {
  const name = given
    .toWellFormed()
    .normalize('NFC')
    .replace(/^.*[/\\]/s, '')
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]+/gu, '')
    .replace(/\s+/gu, ' ')
    .trim()
    .replace(/^\.+$/, '');
  return shorten(name) || 'file';
}

function shorten(name: string): string {
  if (name.length <= longest) return name;
  const extension = /\.[^.\s]{1,16}$/u.exec(name)?.[0] ?? '';
  return (
    name
      .slice(0, longest - extension.length)
      .toWellFormed()
      .replace(/\ufffd$/, '')
      .trimEnd() + extension
  );
}

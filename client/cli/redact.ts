/** What looks like a credential: an API key, a JWT, a name and password in a URL. */
const credentials: readonly [RegExp, string][] = [
  [/\bpk_[\w-]+/g, 'pk_…'],
  [/\beyJ[\w-]{4,}(?:\.[\w-]*)*/g, 'eyJ…'],
  [/(:\/\/)[^/@\s]+@/g, '$1…@'],
];

/** A message without the credentials that the words it quotes may hold, since terminals are recorded and pasted. */
export function redact(text: string, secrets: readonly (string | undefined)[] = []): string {
  let clean = text;
  for (const secret of secrets) if (secret && secret.length >= 8) clean = clean.replaceAll(secret, '…');
  for (const [pattern, instead] of credentials) clean = clean.replace(pattern, instead);
  return clean;
}

const key = 'parley.session';
/** Milliseconds before a token's end at which another one is asked for. */
const earlyMs = 60_000;

interface LocalToken {
  token: string;
  expiresAt: number;
  user: string;
}

/** Only of this tab: another one signs in for itself, and a closed one is forgotten. */
let kept = read();
let local: Promise<LocalToken> | undefined;

function read(): { type: 'local' } | { type: 'token'; token: string } | undefined {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(key) ?? 'null');
    if (typeof value !== 'object' || value === null || !('type' in value)) return undefined;
    if (value.type === 'local') return { type: 'local' };
    return 'token' in value && typeof value.token === 'string' ? { type: 'token', token: value.token } : undefined;
  } catch {
    return undefined;
  }
}

function keep(value: typeof kept): void {
  kept = value;
  local = undefined;
  try {
    if (value) sessionStorage.setItem(key, JSON.stringify(value));
    else sessionStorage.removeItem(key);
  } catch {
    // Not kept over a reload.
  }
}

export function isKept(): boolean {
  return kept !== undefined;
}

export function keepToken(token: string): void {
  keep({ type: 'token', token });
}

export function forget(): void {
  keep(undefined);
}

/**
 * Names whoever is signed in, for what the browser keeps for them: one who signs in after them must not find it. Only a
 * name: what the token says is for the server to believe.
 */
export function sessionName(): string {
  if (!kept || kept.type === 'local') return 'local';
  const [head = '', payload] = kept.token.split('.');
  // An API key has its own name between two underscores.
  if (payload === undefined) return head.split('_').slice(0, 2).join('_');
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    const { tenant, sub }: { tenant?: unknown; sub?: unknown } = Object(claims);
    return JSON.stringify([tenant, sub]);
  } catch {
    return 'unknown';
  }
}

/** Whether this server lets people of this machine in with one click. */
export async function offersLocal(): Promise<boolean> {
  const response = await fetch('/console/sign-in');
  const offer: unknown = await response.json();
  return typeof offer === 'object' && offer !== null && 'local' in offer && offer.local === true;
}

export async function signInHere(): Promise<void> {
  const first = askHere();
  await first;
  keep({ type: 'local' });
  local = first;
}

/** The token that the client presents, a fresh one when it is near its end. */
export async function currentToken(): Promise<string> {
  if (!kept) throw new Error('Nobody is signed in.');
  if (kept.type === 'token') return kept.token;
  const known = await local?.catch(() => undefined);
  if (known && known.expiresAt - Date.now() > earlyMs) return known.token;
  local = askHere();
  return (await local).token;
}

async function askHere(): Promise<LocalToken> {
  const response = await fetch('/console/sign-in', { method: 'POST' });
  if (!response.ok) throw new Error('The server does not let this page in.');
  const given: unknown = await response.json();
  if (typeof given !== 'object' || given === null) throw new Error('The server gave no token.');
  const { token, expiresAt, user }: Partial<Record<keyof LocalToken, unknown>> = given;
  if (typeof token !== 'string' || typeof expiresAt !== 'number' || typeof user !== 'string')
    throw new Error('The server gave no token.');
  return { token, expiresAt, user };
}

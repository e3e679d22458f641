import { z } from 'zod';

/** Characters that PostgreSQL or a log line cannot carry, or that make two names look alike. */
function isPlain(text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text) && text.trim() !== '';
}

/** A user's or a tenant's id, as its issuer writes it. Never trimmed or folded: two texts are two identities. */
export const identity = z.string().max(255).refine(isPlain);

import { z } from 'zod';

/** A UUID as text, lower case. Parley makes version 7; what a client supplies may be of any version. */
export const idSchema = z.guid().transform((id) => id.toLowerCase());

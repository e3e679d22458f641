import { z } from 'zod';

const line = z
  .string()
  .trim()
  .max(200)
  .nullable()
  .transform((text) => text || null);

/** What the agent may know of a user; a field that is not given keeps its value, `null` clears it. */
export const profileInput = z
  .object({
    nickname: line,
    birthYear: z.int().min(1880).max(2100).nullable(),
    birthPlace: line,
    grewUpPlace: line,
    occupation: line,
    /** BCP 47, such as `en` or `zh-CN`. */
    locale: z
      .string()
      .trim()
      .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/)
      .nullable(),
  })
  .partial();
export type ProfileInput = z.infer<typeof profileInput>;

export interface Profile {
  nickname: string | null;
  birthYear: number | null;
  birthPlace: string | null;
  grewUpPlace: string | null;
  occupation: string | null;
  locale: string | null;
}

/** A profile of which nothing is known. */
export const emptyProfile: Profile = {
  nickname: null,
  birthYear: null,
  birthPlace: null,
  grewUpPlace: null,
  occupation: null,
  locale: null,
};

export const scopes = ['chat', 'voice', 'files', 'memory', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** A user, with what is known of them. */
export interface User extends Profile {
  id: string;
  tenant: string;
  approved: boolean;
  plan: string;
  createdAt: Date;
}

export interface Account {
  user: User;
  profile: Profile;
  tenant: string;
  roles: string[];
  scopes: string[];
  approved: boolean;
  plan: string;
}

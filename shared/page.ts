import { z } from 'zod';
import { limits } from './limits.ts';

/** Input of every list: an opaque cursor from the page before, and how many items a page has. */
export const pageInput = (size: number) =>
  z.object({
    cursor: z.string().max(500).nullish(),
    limit: z.int().min(1).max(limits.pageSize).default(size),
  });

/** One page of a list. `total` counts the whole list, not the page. */
export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
  total: number;
}

import type { PlaygroundProcedure } from '@parley/server/rpc/playground';
import { type Field, fieldOf } from './schema.ts';
import { fromText, toText } from './text.ts';
import { initial, isShowable, type Suggest } from './value.ts';

/** An input that is being written: in a form, or as text with its byte strings beside it. */
export type Draft =
  | { mode: 'form'; value: unknown }
  | { mode: 'text'; text: string; bytes: readonly Uint8Array[]; problem?: string };

/** A procedure with its form; none where nothing is taken. */
export interface Form {
  procedure: PlaygroundProcedure;
  field: Field | undefined;
}

export function formOf(procedure: PlaygroundProcedure): Form {
  return { procedure, field: procedure.input === null ? undefined : fieldOf(procedure.input) };
}

export function newDraft({ field }: Form, suggest: Suggest): Draft {
  return { mode: 'form', value: field && initial(field, suggest) };
}

/** The input to call with. @throws SyntaxError for people */
export function inputOf(draft: Draft): unknown {
  return draft.mode === 'form' ? draft.value : fromText(draft.text, draft.bytes);
}

export function asText(draft: Draft): Draft {
  return draft.mode === 'text' ? draft : { mode: 'text', ...toText(draft.value) };
}

/** The same in the form; still as text, with the problem, where the form cannot show it. */
export function asForm(draft: Draft, { field }: Form): Draft {
  if (draft.mode === 'form') return draft;
  try {
    const value = inputOf(draft);
    if (field && !isShowable(field, value))
      return { ...draft, problem: 'The form has no fields for this. It can be sent as it is.' };
    return { mode: 'form', value };
  } catch (error) {
    return { ...draft, problem: problemText(error) };
  }
}

export function problemText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

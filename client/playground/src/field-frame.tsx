import { createContext, type ReactNode, useContext } from 'react';
import type { Known } from './recall.ts';
import type { Field, FieldOf } from './schema.ts';

/** What every field of a form may need: what the server found wrong, by path, and ids that were seen. */
export const FormContext = createContext<{ problems: ReadonlyMap<string, string>; known: Known }>({
  problems: new Map(),
  known: {},
});

export interface EditorProps<Kind extends Field['kind'] = Field['kind']> {
  field: FieldOf<Kind>;
  value: unknown;
  /** Where the value is in the input, joined with dots; `''` is all of it. */
  path: string;
  name: string;
  onChange: (value: unknown) => void;
  /** A button beside the name. */
  action?: ReactNode;
}

export const controlId = (path: string): string => `field-${path}`;
const problemId = (path: string): string => `problem-${path}`;
export const hintId = (path: string): string => `hint-${path}`;

/** What the server says is wrong with the field at a path. */
export function Problem({ path }: { path: string }) {
  const text = useContext(FormContext).problems.get(path);
  return text === undefined ? null : (
    <p className="error" id={problemId(path)}>
      {text}
    </p>
  );
}

/** Attributes that tie a control to its words. */
export function useWords(path: string) {
  const isWrong = useContext(FormContext).problems.has(path);
  return {
    id: controlId(path),
    'aria-describedby': isWrong ? `${hintId(path)} ${problemId(path)}` : hintId(path),
    'aria-invalid': isWrong,
  };
}

/** Several fields under one name. */
export function Group({
  path,
  name,
  hint,
  action,
  children,
}: Pick<EditorProps, 'path' | 'name' | 'action'> & { hint: string; children: ReactNode }) {
  return (
    <fieldset className="form-group" id={controlId(path)} tabIndex={-1}>
      <legend className="sr-only">{name}</legend>
      <div className="form-field-head">
        <span className="form-name" aria-hidden="true">
          {name}
        </span>
        <span className="note">{hint}</span>
        {action}
      </div>
      <div className="form-fields">
        <Problem path={path} />
        {children}
      </div>
    </fieldset>
  );
}

export function Remove({ name, onClick }: { name: string; onClick: () => void }) {
  return (
    <button type="button" className="text-button form-remove" aria-label={`Remove ${name}`} onClick={onClick}>
      Remove
    </button>
  );
}

import { type FormEvent, useEffect, useRef } from 'react';
import { type Outcome, problemsOf } from './call.ts';
import { asForm, asText, type Draft, type Form } from './draft.ts';
import { FieldEditor } from './field-editor.tsx';
import { FormContext } from './field-frame.tsx';
import { Json, OutcomeView } from './outcome-view.tsx';
import type { Known } from './recall.ts';

/** What is known of one procedure's calls. */
export interface Panel {
  draft: Draft;
  /** Counts the drafts that were not typed: their form begins anew. */
  version: number;
  outcome: Outcome | undefined;
  running: AbortController | undefined;
}

interface PanelProps {
  form: Form;
  panel: Panel;
  known: Known;
  onDraft: (draft: Draft, isTyped: boolean) => void;
  onReset: () => void;
  onCall: () => void;
}

/** A procedure: its input to fill, the call, what it gave, and its schemas. */
export function ProcedurePanel({ form, panel, known, onDraft, onReset, onCall }: PanelProps) {
  const { path, type, input, output } = form.procedure;
  const { draft, running } = panel;
  const title = useRef<HTMLHeadingElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the keyboard begins at the procedure that was chosen
  useEffect(() => title.current?.focus({ preventScroll: false }), [path]);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onCall();
  };
  return (
    <article className="procedure" aria-labelledby="procedure-title">
      <a className="text-button back" href="#all">
        All procedures
      </a>
      <div className="procedure-head">
        <h2 id="procedure-title" ref={title} tabIndex={-1}>
          {path}
        </h2>
        <span className={`kind-mark ${type}`}>{type}</span>
      </div>
      <form onSubmit={submit} onKeyDown={sendOnEnter} aria-label={`Input of ${path}`}>
        {form.field && <Mode draft={draft} form={form} onDraft={onDraft} />}
        {form.field ? (
          <FormContext value={{ problems: problemsOf(panel.outcome), known }}>
            {draft.mode === 'form' ? (
              <FieldEditor
                key={panel.version}
                field={form.field}
                value={draft.value}
                path=""
                name="input"
                onChange={(value) => onDraft({ mode: 'form', value }, true)}
              />
            ) : (
              <TextDraft draft={draft} onDraft={onDraft} />
            )}
          </FormContext>
        ) : (
          <p className="note">Takes no input.</p>
        )}
        <div className="form-row actions">
          <button type="submit" className="button primary" disabled={running !== undefined}>
            {type === 'subscription' ? 'Subscribe' : 'Call'}
          </button>
          {running && (
            <button type="button" className="button" onClick={() => running.abort()}>
              Cancel
            </button>
          )}
          {form.field && (
            <button type="button" className="button" onClick={onReset}>
              Reset
            </button>
          )}
        </div>
      </form>
      <OutcomeView outcome={panel.outcome} isRunning={running !== undefined} />
      {input && <Schema name="Input schema" schema={input} />}
      {output && <Schema name="Output schema" schema={output} />}
    </article>
  );
}

/** Ctrl+Enter sends from where Enter is a new line. */
function sendOnEnter(event: React.KeyboardEvent<HTMLFormElement>): void {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.currentTarget.requestSubmit();
}

function Mode({ draft, form, onDraft }: Pick<PanelProps, 'form' | 'onDraft'> & { draft: Draft }) {
  return (
    <fieldset className="mode">
      <legend className="sr-only">Write the input as</legend>
      <button
        type="button"
        className="button small"
        aria-pressed={draft.mode === 'form'}
        onClick={() => onDraft(asForm(draft, form), false)}
      >
        Form
      </button>
      <button
        type="button"
        className="button small"
        aria-pressed={draft.mode === 'text'}
        onClick={() => onDraft(asText(draft), false)}
      >
        JSON
      </button>
    </fieldset>
  );
}

function TextDraft({ draft, onDraft }: Pick<PanelProps, 'onDraft'> & { draft: Extract<Draft, { mode: 'text' }> }) {
  return (
    <div className="form-field">
      <label className="form-name" htmlFor="input-text">
        Input as JSON
      </label>
      <textarea
        id="input-text"
        className="field mono"
        rows={12}
        spellCheck={false}
        value={draft.text}
        aria-describedby="input-text-problem"
        aria-invalid={draft.problem !== undefined}
        onChange={({ target }) => onDraft({ mode: 'text', text: target.value, bytes: draft.bytes }, true)}
      />
      <p className="error" id="input-text-problem" role="status">
        {draft.problem}
      </p>
    </div>
  );
}

function Schema({ name, schema }: { name: string; schema: unknown }) {
  return (
    <details className="schema">
      <summary>{name}</summary>
      <Json value={schema} label={name} />
    </details>
  );
}

import { newId } from '@parley/shared/id';
import { useContext, useRef, useState } from 'react';
import { problemText } from './draft.ts';
import { BytesEditor } from './field-bytes.tsx';
import { controlId, type EditorProps, FormContext, hintId, Problem, useWords } from './field-frame.tsx';
import { type Field, hintOf } from './schema.ts';
import { fromText, toText } from './text.ts';

type Simple = Exclude<Field, { kind: 'object' | 'list' | 'either' }>;

/** A field that holds no other ones, with its name, what it takes, and what is wrong with it. */
export function SimpleEditor(props: EditorProps<Simple['kind']>) {
  const { field, path, name, action } = props;
  return (
    <div className="form-field">
      <div className="form-field-head">
        {field.kind === 'constant' ? (
          <span className="form-name">{name}</span>
        ) : (
          <label className="form-name" htmlFor={controlId(path)}>
            {name}
          </label>
        )}
        <span className="note" id={hintId(path)}>
          {hintOf(field)}
        </span>
        {action}
      </div>
      <Control {...props} />
      <Problem path={path} />
    </div>
  );
}

function Control(props: EditorProps<Simple['kind']>) {
  const { field, value, onChange, path } = props;
  const words = useWords(path);
  switch (field.kind) {
    case 'text':
      return <TextControl {...props} field={field} />;
    case 'number':
      return <NumberControl {...props} field={field} />;
    case 'boolean':
      return (
        <input
          {...words}
          type="checkbox"
          checked={value === true}
          onChange={(event) => onChange(event.target.checked)}
        />
      );
    case 'constant':
      return null;
    case 'choice':
      return (
        <select
          {...words}
          className="field"
          value={field.options.findIndex((option) => Object.is(option, value))}
          onChange={(event) => onChange(field.options[Number(event.target.value)])}
        >
          {field.options.map((option, place) => (
            <option key={String(option)} value={place}>
              {String(option)}
            </option>
          ))}
        </select>
      );
    case 'bytes':
      return <BytesEditor {...props} field={field} />;
    case 'json':
      return <JsonControl {...props} field={field} />;
  }
}

/** Texts that may be longer than this are written in several lines. */
const oneLine = 1_000;

function TextControl({ field, value, onChange, path, name }: EditorProps<'text'>) {
  const words = useWords(path);
  const seen = useContext(FormContext).known[name] ?? [];
  const text = typeof value === 'string' ? value : '';
  if (!field.isId && (field.most ?? 0) > oneLine)
    return (
      <textarea {...words} className="field" rows={3} value={text} onChange={(event) => onChange(event.target.value)} />
    );
  return (
    <div className="form-row">
      <input
        {...words}
        className={field.isId ? 'field mono' : 'field'}
        value={text}
        onChange={(event) => onChange(event.target.value)}
        autoComplete="off"
        spellCheck={!field.isId}
        list={seen.length > 0 ? `seen-${path}` : undefined}
      />
      {seen.length > 0 && (
        <datalist id={`seen-${path}`}>
          {seen.map((id) => (
            <option key={id} value={id} />
          ))}
        </datalist>
      )}
      {field.isId && (
        <button type="button" className="button small" onClick={() => onChange(newId())} aria-label={`New id: ${name}`}>
          New id
        </button>
      )}
    </div>
  );
}

/** Keeps what is typed as it is typed; while it is no number, the form cannot be sent. */
function NumberControl({ value, onChange, path }: EditorProps<'number'>) {
  const words = useWords(path);
  const [text, setText] = useState(typeof value === 'number' ? String(value) : '');
  return (
    <input
      {...words}
      className="field"
      inputMode="decimal"
      autoComplete="off"
      value={text}
      onChange={({ target }) => {
        setText(target.value);
        const number = target.value.trim() === '' ? Number.NaN : Number(target.value);
        target.setCustomValidity(Number.isFinite(number) ? '' : 'Not a number.');
        if (Number.isFinite(number)) onChange(number);
      }}
    />
  );
}

/** Any JSON as text; while it is none, the form cannot be sent. */
function JsonControl({ value, onChange, path }: EditorProps<'json'>) {
  const words = useWords(path);
  const first = useRef(toText(value));
  const [text, setText] = useState(first.current.text);
  return (
    <textarea
      {...words}
      className="field mono"
      rows={4}
      spellCheck={false}
      value={text}
      onChange={({ target }) => {
        setText(target.value);
        try {
          onChange(fromText(target.value, first.current.bytes));
          target.setCustomValidity('');
        } catch (error) {
          target.setCustomValidity(problemText(error));
        }
      }}
    />
  );
}

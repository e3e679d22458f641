import { useEffect, useRef } from 'react';
import { isRecord } from '../../failure.ts';
import { SimpleEditor } from './field-control.tsx';
import { controlId, type EditorProps, Group, Problem, Remove } from './field-frame.tsx';
import { hintOf, labelOf } from './schema.ts';
import { initial, optionOf } from './value.ts';

/** What a value is edited with, whatever it is. */
export function FieldEditor(props: EditorProps) {
  const { field } = props;
  switch (field.kind) {
    case 'object':
      return <ObjectEditor {...props} field={field} />;
    case 'list':
      return <ListEditor {...props} field={field} />;
    case 'either':
      return <EitherEditor {...props} field={field} />;
    default:
      return <SimpleEditor {...props} field={field} />;
  }
}

const within = (path: string, name: string | number): string => (path === '' ? String(name) : `${path}.${name}`);
const addId = (path: string): string => `add-${path}`;

/** Moves the keyboard to what a press of a button has made, or to what makes it again. */
function useFocus() {
  const wanted = useRef<string>(undefined);
  useEffect(() => {
    if (wanted.current === undefined) return;
    document.getElementById(wanted.current)?.focus();
    wanted.current = undefined;
  });
  return (id: string): void => {
    wanted.current = id;
  };
}

/** The fields that an object must have and those that were added to it; a button for each that could be. */
function ObjectEditor({ field, value, path, name, onChange, action }: EditorProps<'object'>) {
  const focus = useFocus();
  const held: Record<string, unknown> = isRecord(value) ? value : {};
  const shown = field.properties.filter((property) => property.isRequired || property.name in held);
  const addable = field.properties.filter((property) => !shown.includes(property));
  const set = (key: string, inner: unknown): void => onChange({ ...held, [key]: inner });
  const remove = (key: string): void => {
    const { [key]: _gone, ...rest } = held;
    focus(addId(within(path, key)));
    onChange(rest);
  };
  const content = (
    <>
      {shown.map((property) => {
        const place = within(path, property.name);
        return (
          <FieldEditor
            key={property.name}
            field={property.field}
            value={held[property.name]}
            path={place}
            name={property.name}
            onChange={(inner) => set(property.name, inner)}
            action={
              property.isRequired ? undefined : <Remove name={property.name} onClick={() => remove(property.name)} />
            }
          />
        );
      })}
      {addable.length > 0 && (
        <div className="form-add">
          {addable.map((property) => (
            <button
              key={property.name}
              id={addId(within(path, property.name))}
              type="button"
              className="button small"
              aria-label={`Add ${property.name}`}
              title={hintOf(property.field)}
              onClick={() => {
                focus(controlId(within(path, property.name)));
                set(property.name, property.standard ?? initial(property.field));
              }}
            >
              + {property.name}
            </button>
          ))}
        </div>
      )}
    </>
  );
  if (path === '')
    return (
      <div className="form-fields">
        <Problem path="" />
        {content}
      </div>
    );
  return (
    <Group path={path} name={name} hint="object" action={action}>
      {content}
    </Group>
  );
}

function ListEditor({ field, value, path, name, onChange, action }: EditorProps<'list'>) {
  const focus = useFocus();
  const items: unknown[] = Array.isArray(value) ? value : [];
  return (
    <Group path={path} name={name} hint={hintOf(field)} action={action}>
      {items.map((item, place) => (
        <FieldEditor
          // Items have nothing that names them but their place.
          // biome-ignore lint/suspicious/noArrayIndexKey: see above
          key={place}
          field={field.item}
          value={item}
          path={within(path, place)}
          name={`${name} ${place + 1}`}
          onChange={(inner) => onChange(items.with(place, inner))}
          action={
            <Remove
              name={`${name} ${place + 1}`}
              onClick={() => {
                focus(addId(path));
                onChange(items.toSpliced(place, 1));
              }}
            />
          }
        />
      ))}
      <div className="form-add">
        <button
          id={addId(path)}
          type="button"
          className="button small"
          disabled={field.most !== undefined && items.length >= field.most}
          onClick={() => {
            focus(controlId(within(path, items.length)));
            onChange([...items, initial(field.item)]);
          }}
        >
          + {name} {items.length + 1}
        </button>
      </div>
    </Group>
  );
}

function EitherEditor({ field, value, path, name, onChange, action }: EditorProps<'either'>) {
  const chosen = optionOf(field, value);
  const option = field.options[chosen];
  const chooser = (
    <>
      <select
        className="field kind"
        aria-label={`Kind of ${name}`}
        value={chosen}
        onChange={(event) => {
          const next = field.options[Number(event.target.value)];
          if (next) onChange(initial(next));
        }}
      >
        {field.options.map((each, place) => (
          <option key={labelOf(each)} value={place}>
            {labelOf(each)}
          </option>
        ))}
      </select>
      {action}
    </>
  );
  if (!option) return null;
  // An object that is all of the input has no frame to hold the choice.
  if (path === '')
    return (
      <div className="form-fields">
        <div className="form-field-head">{chooser}</div>
        <FieldEditor key={chosen} field={option} value={value} path={path} name={name} onChange={onChange} />
      </div>
    );
  return (
    <FieldEditor
      key={chosen}
      field={option}
      value={value}
      path={path}
      name={name}
      onChange={onChange}
      action={chooser}
    />
  );
}

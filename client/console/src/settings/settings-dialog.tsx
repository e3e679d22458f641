import { useId } from 'react';
import { useStrings } from '../strings/language.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { changeSettings, type Settings, useSettings } from './settings.ts';

export function SettingsDialog({ onClose, onSignOut }: { onClose: () => void; onSignOut: () => void }) {
  const { settings, actions } = useStrings();
  const { theme, language } = useSettings();
  const themes: readonly [Settings['theme'], string][] = [
    ['auto', settings.auto],
    ['light', settings.light],
    ['dark', settings.dark],
  ];
  const languages: readonly [Settings['language'], string][] = [
    ['auto', settings.autoLanguage],
    ['en', 'English'],
    ['zh', '中文'],
  ];
  return (
    <Dialog title={actions.settings} onClose={onClose}>
      <Choice
        legend={settings.theme}
        options={themes}
        value={theme}
        onChange={(chosen) => changeSettings({ theme: chosen })}
      />
      <Choice
        legend={settings.language}
        options={languages}
        value={language}
        onChange={(chosen) => changeSettings({ language: chosen })}
      />
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onSignOut}>
          {actions.signOut}
        </button>
        <button type="button" className="button primary" onClick={onClose}>
          {actions.close}
        </button>
      </div>
    </Dialog>
  );
}

function Choice<Value extends string>({
  legend,
  options,
  value,
  onChange,
}: {
  legend: string;
  options: readonly (readonly [Value, string])[];
  value: Value;
  onChange: (value: Value) => void;
}) {
  const name = useId();
  return (
    <fieldset className="choice">
      <legend>{legend}</legend>
      <div className="choice-options">
        {options.map(([option, label]) => (
          <label key={option}>
            <input
              type="radio"
              name={name}
              value={option}
              checked={option === value}
              onChange={() => onChange(option)}
            />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

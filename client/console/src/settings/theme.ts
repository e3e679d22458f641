import { currentSettings, onSettings } from './settings.ts';

/** Keeps the page's colours as chosen; without a choice the style sheet follows the system by itself. */
export function keepTheme(): void {
  const apply = (): void => {
    const { theme } = currentSettings();
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };
  apply();
  onSettings(apply);
}

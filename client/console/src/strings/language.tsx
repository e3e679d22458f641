import { createContext, type ReactNode, use, useEffect } from 'react';
import { useSettings } from '../settings/settings.ts';
import { en } from './en.ts';
import type { Strings } from './strings.ts';
import { zh } from './zh.ts';

export type Language = 'en' | 'zh';

const dictionaries: Record<Language, Strings> = { en, zh };
const LanguageContext = createContext<Language>('en');

/** The first language of the browser's that the page speaks. */
function browserLanguage(): Language {
  for (const tag of navigator.languages) {
    if (/^zh\b/i.test(tag)) return 'zh';
    if (/^en\b/i.test(tag)) return 'en';
  }
  return 'en';
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const { language: chosen } = useSettings();
  const language = chosen === 'auto' ? browserLanguage() : chosen;
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  }, [language]);
  return <LanguageContext value={language}>{children}</LanguageContext>;
}

export function useLanguage(): Language {
  return use(LanguageContext);
}

export function useStrings(): Strings {
  return dictionaries[use(LanguageContext)];
}

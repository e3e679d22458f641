import { useLanguage, useStrings } from '../strings/language.tsx';
import { startOfDay } from './day.ts';

function isSameDay(one: number, other: number): boolean {
  return startOfDay(one) === startOfDay(other);
}

/** How times are written in the person's language. All are milliseconds since the epoch. */
export interface Clock {
  time(at: number): string;
  /** `Today`, `Yesterday`, or a date. */
  day(at: number): string;
  /** As short as it may be: a time of today, else a day. */
  short(at: number): string;
  /** Of a length in milliseconds: `0:07`. */
  duration(ms: number): string;
}

const clocks = new Map<string, { time: Intl.DateTimeFormat; day: Intl.DateTimeFormat; short: Intl.DateTimeFormat }>();

function formatsOf(locale: string) {
  const known = clocks.get(locale);
  if (known) return known;
  const formats = {
    time: new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }),
    day: new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
    short: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' }),
  };
  clocks.set(locale, formats);
  return formats;
}

export function useClock(): Clock {
  const language = useLanguage();
  const strings = useStrings();
  const formats = formatsOf(
    language === 'zh' ? 'zh-CN' : navigator.language.startsWith('en') ? navigator.language : 'en',
  );
  const named = (at: number): string | undefined => {
    const days = Math.round((startOfDay(Date.now()) - startOfDay(at)) / 86_400_000);
    return days === 0 ? strings.today : days === 1 ? strings.yesterday : undefined;
  };
  return {
    time: (at) => formats.time.format(at),
    day: (at) => named(at) ?? formats.day.format(at),
    short: (at) => (isSameDay(at, Date.now()) ? formats.time.format(at) : (named(at) ?? formats.short.format(at))),
    duration: (ms) => {
      const seconds = Math.max(0, Math.round(ms / 1000));
      return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    },
  };
}

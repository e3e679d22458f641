import { useParley } from '@parley/client/react';
import { useEffect, useRef } from 'react';
import { useSettings } from '../settings/settings.ts';
import { useLanguage } from './language.tsx';

/**
 * Tells the server in which language to greet this person and to explain errors: when it does not know yet, and when
 * somebody chooses one here. A profile that says more stays as it is.
 */
export function useServerLocale(): void {
  const { trpc } = useParley();
  const language = useLanguage();
  const { language: chosen } = useSettings();
  const before = useRef(chosen);
  useEffect(() => {
    const isChosen = before.current !== chosen;
    before.current = chosen;
    const tell = async (): Promise<void> => {
      const { profile } = await trpc.account.me.query();
      if (profile.locale !== null && !isChosen) return;
      if (profile.locale?.startsWith(language)) return;
      await trpc.account.updateProfile.mutate({ locale: language === 'zh' ? 'zh-CN' : 'en' });
    };
    // It costs the greeting's language, and nothing else.
    tell().catch(() => {});
  }, [trpc, language, chosen]);
}

import './style/base.css';
import './style/frame.css';
import './style/talk.css';
import './style/composer.css';
import './style/timeline.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { keepTheme } from './settings/theme.ts';
import { LanguageProvider } from './strings/language.tsx';
import { ErrorPage } from './ui/error-page.tsx';
import { keepFocus } from './ui/focus.ts';

keepTheme();
keepFocus();
const root = document.getElementById('root');
if (!root) throw new Error('The page has no place for the console.');
createRoot(root).render(
  <StrictMode>
    <LanguageProvider>
      <ErrorPage>
        <App />
      </ErrorPage>
    </LanguageProvider>
  </StrictMode>,
);

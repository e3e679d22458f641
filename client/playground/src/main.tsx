import '../../console/src/style/base.css';
import './form.css';
import './output.css';
import './frame.css';
import { createRoot } from 'react-dom/client';
import { keepTheme } from '../../console/src/settings/theme.ts';
import { App } from './app.tsx';

keepTheme();
const root = document.getElementById('root');
if (root) createRoot(root).render(<App />);

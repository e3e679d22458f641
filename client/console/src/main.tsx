import { createParley } from '@parley/client';
import { createPlayer } from '@parley/client/player';
import { createRecorder } from '@parley/client/recorder';
import { reduce } from '@parley/shared/reduce';
import { QueryClient } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { createRoot } from 'react-dom/client';

console.log(QueryClient, useVirtualizer, createParley, createRecorder, createPlayer, reduce);
createRoot(document.body).render(null);

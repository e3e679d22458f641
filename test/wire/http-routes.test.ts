import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Kind, procedures } from '../support/procedures.ts';

const folders = ['wire', 'security', 'fault', 'suite'].map((folder) => join(import.meta.dirname, '..', folder));

function sources(folder: string): string {
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith('.test.ts') && file !== 'http-routes.test.ts')
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join('\n');
  } catch {
    return '';
  }
}

const verbs: Record<Kind, string> = { query: 'query', mutation: 'mutate', subscription: 'subscribe' };

/** Procedures that no text calls, as a client writes it: `.turns.send.mutate(`, or `watch(` for the events. */
function uncalled(text: string): string[] {
  return procedures.flatMap(([path, kind]) => {
    if (path === 'conversations.events') return /\bwatch\(/.test(text) ? [] : [path];
    const call = new RegExp(`\\b${path.replace('.', '\\.')}(\\.${verbs[kind]}\\b|['"\`?])`);
    return call.test(text) ? [] : [path];
  });
}

it('every procedure of the router is called by a test', () => {
  expect(procedures.length).toBeGreaterThanOrEqual(20);
  expect(uncalled(folders.map(sources).join('\n'))).toEqual([]);
  // The check itself can fail.
  expect(uncalled('client.turns.send.mutate({})')).not.toContain('turns.send');
  expect(uncalled('')).toHaveLength(procedures.length);
});

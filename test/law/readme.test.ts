import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const scripts: Record<string, string> = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts;

const withoutIndent = (text: string): string => text.replace(/^ +/gm, '');

describe('the README', () => {
  it('shows the example that a test runs, to the letter', () => {
    const example = readFileSync(join(root, 'test/example/ten-lines.ts'), 'utf8');
    expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``);
    expect(
      example
        .trim()
        .split('\n')
        .filter((line) => line !== '').length,
    ).toBeLessThanOrEqual(10);
  });

  it('shows no code but what tests run: each block is a piece of the file that it names', () => {
    const blocks = [...readme.matchAll(/(?:<!-- from (\S+) -->\n)?```tsx?\n([\s\S]*?)```/g)];
    expect(blocks.length).toBeGreaterThan(6);
    for (const [, file = 'none', code = ''] of blocks) {
      const source = readFileSync(join(root, file), 'utf8');
      expect(withoutIndent(source), file).toContain(withoutIndent(code));
    }
  });

  it('names only commands that exist', () => {
    const named = [...readme.matchAll(/npm (?:run )?(?:-s )?([a-z]+)(?: -- ([a-z]+))?/g)];
    expect(named.length).toBeGreaterThan(8);
    const commands = readFileSync(join(root, 'client/cli/main.ts'), 'utf8');
    for (const [, script = '', command] of named) {
      expect(Object.keys(scripts)).toContain(script);
      if (command) expect(commands).toContain(`['${command}', `);
    }
  });

  it('names only rooms that exist', () => {
    const rooms = readme.match(/```\n(shared\/[\s\S]*?)```/)?.[1] ?? '';
    for (const [, room = ''] of rooms.matchAll(/^(\w+)\/ /gm))
      expect(() => readFileSync(join(root, room, 'package.json'))).not.toThrow();
    expect(rooms).not.toBe('');
  });

  // Guard: AUTH_PROVISION in the block.
  it('starts for real a server that somebody can use', () => {
    const exports = [...readme.matchAll(/^export (.+)$/gm)].flatMap(([, words = '']) => [
      ...words.matchAll(/([A-Z_]+)=(\$\(.*?\)|\S+)/g),
    ]);
    // The key is for people to fill in, the secret is made by the shell.
    const filled = exports.map(([, name, value = '']) => [name, /^(\$|…)/.test(value) ? 'f'.repeat(64) : value]);
    const config = decide(readEnvironment(Object.fromEntries(filled)));
    expect(config.database.mode).toBe('external');
    expect(config.auth.provision).toBe('auto');
  });
});

import { onParentGone } from '@parley/server/boot/parent';
import type { Memory } from './protocol.ts';

export interface Question {
  call: number;
  name: string;
  input: string;
}
export type Answer = { call: number; output: string } | { call: number; error: string };

type Handlers<Commands extends Record<keyof Commands, { in: unknown; out: unknown }>> = {
  [Name in keyof Commands]: (input: Commands[Name]['in']) => Promise<Commands[Name]['out']> | Commands[Name]['out'];
};

/** Answers what the bench asks this process over IPC, and ends with it. */
export function answerCommands<Commands extends Record<keyof Commands, { in: unknown; out: unknown }>>(
  handlers: Handlers<Commands>,
): void {
  const named = new Map<string, (input: string) => Promise<string>>();
  for (const name in handlers) {
    named.set(name, async (input) => JSON.stringify((await handlers[name](JSON.parse(input))) ?? null));
  }
  process.on('message', async ({ call, name, input }: Question) => {
    let answer: Answer;
    try {
      const command = named.get(name);
      if (!command) throw new Error(`no command ${name}`);
      answer = { call, output: await command(input) };
    } catch (error) {
      answer = { call, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    // The bench may have gone meanwhile.
    process.send?.(answer, undefined, undefined, () => {});
  });
  onParentGone(() => process.exit(1));
  // The listener of a parent that is gone holds nothing open; the questions do.
  process.channel?.ref();
}

export const usage = {
  cpuMs(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  memory(): Memory {
    // Twice: what the first one finalises the second one frees.
    globalThis.gc?.();
    globalThis.gc?.();
    const { heapUsed, external, rss } = process.memoryUsage();
    return { held: heapUsed + external, resident: rss };
  },
};

import { writeFile } from 'node:fs/promises';
import { toBase64 } from '@parley/shared/bytes';
import { type Command, print } from './command.ts';
import { openSession, parse, sessionHelp, sessionOptions } from './session.ts';

export const exportCommand: Command = {
  summary: 'write a whole conversation as JSON',
  help: `usage: npm run parley -- export CONVERSATION [options]

  --out FILE       to a file instead of standard output
${sessionHelp}`,
  async run(args) {
    const { values, positionals } = parse(args, { ...sessionOptions, out: { type: 'string' } }, ['CONVERSATION']);
    const [conversationId = ''] = positionals;
    const parley = await openSession(values);
    try {
      const whole = await parley.trpc.conversations.export.query({ conversationId });
      const bytes = (_key: string, value: unknown) => (value instanceof Uint8Array ? toBase64(value) : value);
      const text = `${JSON.stringify(whole, bytes, 2)}\n`;
      if (values.out === undefined) await print(text);
      else await writeFile(values.out, text);
      return 0;
    } finally {
      await parley.close();
    }
  },
};

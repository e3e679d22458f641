import { writeFile } from 'node:fs/promises';
import { type Command, print } from './command.ts';
import { json } from './json.ts';
import { openSession, parse, sessionHelp, sessionOptions } from './session.ts';

export const exportCommand: Command = {
  summary: 'write a whole conversation as JSON',
  help: `usage: npm run parley -- export CONVERSATION [options]

Writes messages, turns with their metrics, and the events that the server still keeps. Sound is not part of it.

  --out FILE       to a file instead of standard output
${sessionHelp}`,
  async run(args) {
    const { values, positionals } = parse(args, { ...sessionOptions, out: { type: 'string' } }, ['CONVERSATION']);
    const [conversationId = ''] = positionals;
    const parley = await openSession(values);
    try {
      const whole = await parley.trpc.conversations.export.query({ conversationId });
      const text = `${json(whole, 2)}\n`;
      if (values.out === undefined) await print(text);
      else await writeFile(values.out, text);
      return 0;
    } finally {
      await parley.close();
    }
  },
};

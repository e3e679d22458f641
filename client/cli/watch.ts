import { type Command, interrupted, note, print } from './command.ts';
import { json } from './json.ts';
import { Screen } from './screen.ts';
import { openSession, parse, reportLoss, sessionHelp, sessionOptions } from './session.ts';

export const watch: Command = {
  summary: 'follow a conversation live',
  help: `usage: npm run parley -- watch CONVERSATION [options]

Follows a conversation while others talk in it, over lost connections too. Ctrl-C leaves.

  --from EVENT     begin after this event, by its id
  --json           every event as a line of JSON: { id, data }, bytes in base64
${sessionHelp}`,
  async run(args) {
    const options = { ...sessionOptions, from: { type: 'string' }, json: { type: 'boolean' } } as const;
    const { values, positionals } = parse(args, options, ['CONVERSATION']);
    const [conversationId = ''] = positionals;
    const signal = interrupted();
    const parley = await openSession(values, reportLoss());
    try {
      const { title } = await parley.trpc.conversations.get.query({ conversationId });
      note(`watching ${conversationId}${title === null ? '' : `: ${title}`}`);
      const screen = new Screen();
      for await (const tracked of parley.conversation(conversationId).events({ lastEventId: values.from, signal })) {
        await print(values.json ? `${json(tracked)}\n` : screen.show(tracked.data));
        if (tracked.data.type === 'conversation.ended') break;
      }
      return 0;
    } finally {
      await parley.close();
    }
  },
};

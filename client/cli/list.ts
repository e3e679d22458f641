import { type Command, note, print, UsageError } from './command.ts';
import { openSession, parse, sessionHelp, sessionOptions } from './session.ts';

export const list: Command = {
  summary: 'list conversations, the newest first',
  help: `usage: npm run parley -- list [options]

  --limit N        how many, up to 100 (20)
  --status STATUS  only active or ended ones
  --json           as lines of JSON
${sessionHelp}`,
  async run(args) {
    const { values } = parse(args, {
      ...sessionOptions,
      limit: { type: 'string' },
      status: { type: 'string' },
      json: { type: 'boolean' },
    });
    const { limit = '20', status, json } = values;
    if (!/^([1-9]\d?|100)$/.test(limit)) throw new UsageError('--limit is a number from 1 to 100');
    if (status !== undefined && status !== 'active' && status !== 'ended')
      throw new UsageError('--status is active or ended');
    const parley = await openSession(values);
    try {
      const page = await parley.trpc.conversations.list.query({ limit: Number(limit), ...(status && { status }) });
      for (const conversation of page.items) {
        const { id, title, preview, messageCount, createdAt, lastMessageAt } = conversation;
        const at = (lastMessageAt ?? createdAt).toISOString().slice(0, 16).replace('T', ' ');
        const about = (title ?? preview ?? '').replace(/\s+/g, ' ').slice(0, 60);
        const ended = conversation.status === 'ended' ? '(ended) ' : '';
        const line = `${id}  ${at}  ${String(messageCount).padStart(4)}  ${ended}${about}`.trimEnd();
        await print(`${json ? JSON.stringify(conversation) : line}\n`);
      }
      if (!json && page.total > page.items.length) note(`${page.items.length} of ${page.total}`);
      else if (!json && page.total === 0) note('no conversations yet: npm run parley -- chat');
      return 0;
    } finally {
      await parley.close();
    }
  },
};

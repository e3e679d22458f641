import type { App } from '../support/app.ts';
import { post } from '../support/attachment.ts';
import { hadConversation, type PastMessage } from './past.ts';

const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="320" height="200"><rect width="320" height="200" fill="#7aa"/></svg>`;
/** One pixel. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const markdown = `## What we have so far

You grew up in **Harbin**, the *third* of five, and moved south when you were nine.

- The house by the river, with a \`coal\` stove
- School, two hours on foot
  - in winter, by sledge
- [x] Your mother's side
- [ ] Your father's side

1. Childhood
2. The move

> It was never quiet at the table.

| Year | Place | Who was there |
| --- | --- | --- |
| 1952 | Harbin | Everybody |
| 1961 | Shanghai | Your aunt, and later your brothers |

\`\`\`
born: 1952
a line of code that is so long that it cannot be shown on a phone without being scrolled to its end
\`\`\`

See [the archive](https://example.org/archive) for the letters.`;

/** A conversation with everything in it that a message can be, and another one in Chinese. Returns the first one's id. */
export async function gallery(app: App, user: string): Promise<string> {
  const [image, file, sound] = await Promise.all([
    post(app, png, { user, filename: 'the-house.png' }),
    post(app, new TextEncoder().encode('Dear all,\n'), { user, filename: 'letter-of-1961.txt' }),
    post(app, new TextEncoder().encode(picture), { user, filename: 'map.svg' }),
  ]);
  const attached = [image, file, sound].map(({ attachment: { id, kind, filename } }) => ({
    type: 'attachment' as const,
    attachmentId: id,
    kind: kind === 'image' ? ('image' as const) : ('file' as const),
    filename,
  }));
  const [first, ...others] = attached;
  if (!first) throw new Error('nothing was uploaded');
  const messages: PastMessage[] = [
    { role: 'agent', parts: ['Hello Ada. Shall we go on with the house by the river?'] },
    {
      role: 'human',
      parts: ['Yes. There was a stove in the middle of it, and we all slept around it.'],
      spokenMs: 7_400,
    },
    { role: 'agent', parts: [markdown] },
    { role: 'human', parts: [first, 'This is the house. The letter is from my aunt.', ...others] },
    {
      role: 'agent',
      parts: ['I found the street in the city’s register.', 'It had another name until 1949.'],
      reference: {
        title: 'Register of streets, 1948',
        summary: 'Lists every house by the river with the family that lived in it.',
        url: 'https://example.org/register',
      },
    },
    { role: 'human', parts: ['And who lived next to us?'], spokenMs: 2_100 },
    {
      role: 'agent',
      parts: ['The family on your left was called Wu. '],
      status: 'interrupted',
      unheard: 'They had a shop for paper and ink, and three daughters.',
    },
    { role: 'human', parts: ['The daughters! Tell me more of them.'] },
    { role: 'agent', parts: ['The eldest was your age, and'], status: 'failed' },
  ];
  await hadConversation(app, user, {
    title: '外婆的老房子',
    endedAt: new Date(Date.now() - 30 * 3_600_000),
    status: 'ended',
    messages: [
      { role: 'agent', parts: ['您好！今天想聊聊您小时候住过的地方吗？'] },
      { role: 'human', parts: ['好啊。我们家住在松花江边，冬天江面会结很厚的冰。'], spokenMs: 5_200 },
      { role: 'agent', parts: ['江面结冰的时候，你们会在冰上玩些什么？'] },
    ],
  });
  return hadConversation(app, user, { title: 'The house by the river', messages });
}

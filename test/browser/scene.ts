import { done, finish, type Script, type Step, stream, text, usage } from '../support/provider.ts';
import { pcm, type SpeechRequest, tone, transcript } from '../support/speech-provider.ts';
import type { PastConversation } from './past.ts';

const hours = (count: number): Date => new Date(Date.now() - count * 3_600_000);

const brief = (title: string, last: string, ago: number): PastConversation => ({
  title,
  endedAt: hours(ago),
  messages: [{ role: 'agent', parts: [last] }],
});

/** What stands in the list beside it. */
export const others: readonly PastConversation[] = [
  brief('Grandmother’s recipes', 'So the dough rests overnight, under a damp cloth. And the filling?', 3.2),
  brief('爷爷的钟表店', '那家店后来搬到哪里去了？', 7.5),
  brief('Learning to drive in 1968', 'Your brother sat beside you the whole way home?', 26),
  brief('First day at the newspaper', 'What did the newsroom sound like when you came in?', 52),
  brief('Letters from Lisbon', 'I have put the three letters in order. The second one has no date.', 99),
  brief('The winter of the big snow', 'Eleven days without a train. How did you get to school?', 170),
];

/** What has been said before the picture is taken. */
export const before: PastConversation = {
  title: 'Summers at the lake',
  endedAt: new Date(Date.now() - 90_000),
  messages: [
    { role: 'agent', parts: ['Good morning, Maya. Last time we stopped at the lake. Who was there with you?'] },
    { role: 'human', parts: ['My two cousins, and my uncle, who had built the boat himself.'], spokenMs: 5_300 },
    {
      role: 'agent',
      parts: ['He built it himself! '],
      status: 'interrupted',
      unheard: 'Was that the summer after the house was finished, or the one before?',
    },
  ],
};

/** What is said into the microphone, as it is written down. */
export const question = 'It leaked from the first day. We bailed it out with a saucepan and sang all the way across.';

const sentences = [
  'A leaking boat, a saucepan and three children singing: I can almost hear it. ',
  'Do you remember **which songs** they were, and who always began? ',
  'And when you came to the other side, what was waiting for you there?',
];

const words = (sentence: string): Step[] =>
  (sentence.match(/\S+\s*/g) ?? []).flatMap((word): Step[] => [text(word), { pauseMs: 35 }]);

/** Word by word, after a moment, as a model answers. */
export const reply: Script = stream({ pauseMs: 340 }, ...sentences.flatMap(words), finish(), usage(412, 48), done);

/** Some seconds for each sentence, and what a service needs to begin. */
export function hearAndSay({ path, fields }: SpeechRequest): Script {
  if (path.endsWith('/speech')) return pcm({ pauseMs: 210 }, tone(String(fields.input).split(/\s+/).length / 2.4));
  const { steps, ...script } = transcript(question);
  return { ...script, steps: [{ pauseMs: 280 }, ...steps] };
}

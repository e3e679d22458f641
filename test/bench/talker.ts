import { answerCommands } from './answer.ts';
import { clock } from './clock.ts';
import { ConversationClient } from './conversation.ts';
import type { Speech, TalkerCommands } from './protocol.ts';

// Clients that talk: they send turns over WebSockets and wait for the answer's first words.

const clients = new Map<string, ConversationClient>();
/** The turns that are kept running, and whether they still are. */
let keeping = { active: false, ended: [Promise.resolve()] };

function clientOf(conversation: string): ConversationClient {
  const client = clients.get(conversation);
  if (!client) throw new Error(`conversation ${conversation} is not open`);
  return client;
}

/** A call to the model without Parley. Milliseconds to the first piece of text. */
async function ask(provider: string, model: string): Promise<number> {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'Where did you grow up?' }] });
  const startedAt = clock();
  const response = await fetch(`${provider}/chat/completions`, { method: 'POST', body });
  let first: number | undefined;
  for await (const piece of response.body ?? []) {
    if (first === undefined && Buffer.from(piece).includes('"content"')) first = clock() - startedAt;
  }
  if (first === undefined) throw new Error('the model did not answer');
  return first;
}

/** The services without Parley, one after the other: the transcript, the first words, the first sound. Milliseconds. */
async function askServices({ model, segments, services }: Speech): Promise<number> {
  const { provider, speech, speechModel } = services;
  const form = new FormData();
  form.set('model', speechModel);
  form.set('file', new File([Buffer.from(segments.at(-1)?.data ?? '', 'base64')], 'speech.wav'));
  const startedAt = clock();
  await (await fetch(`${speech}/audio/transcriptions`, { method: 'POST', body: form })).arrayBuffer();
  const heard = clock() - startedAt;
  const answered = await ask(provider, model);
  const body = JSON.stringify({ model: speechModel, input: 'You said it.', voice: 'any', response_format: 'pcm' });
  const spokenAt = clock();
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${speech}/audio/speech`, { method: 'POST', headers, body });
  let spoken: number | undefined;
  for await (const _piece of response.body ?? []) spoken ??= clock() - spokenAt;
  if (spoken === undefined) throw new Error('the speech service did not speak');
  return heard + answered + spoken;
}

answerCommands<TalkerCommands>({
  async open({ port, token, conversations }) {
    for (const id of conversations) clients.set(id, await ConversationClient.open(port, token, id));
    return null;
  },
  async keep({ conversations, model }) {
    const kept = { active: true, ended: [Promise.resolve()] };
    keeping = kept;
    const streaming = conversations.map(async (id) => {
      const client = clientOf(id);
      const first = client.turn(model);
      kept.ended.push(
        (async () => {
          await first.ended;
          while (kept.active) await client.turn(model).ended;
        })(),
      );
      await first.firstDelta;
    });
    await Promise.all(streaming);
    return null;
  },
  async rest() {
    keeping.active = false;
    await Promise.all(keeping.ended);
    return null;
  },
  async probe({ conversations, model, turns, provider }) {
    const times: { direct: number[]; turn: number[] } = { direct: [], turn: [] };
    for (let i = 0; i < turns; i++) {
      times.direct.push(await ask(provider, model));
      const { firstDelta, ended } = clientOf(conversations[i % conversations.length] ?? '').turn(model);
      times.turn.push(await firstDelta);
      await ended;
    }
    return times;
  },
  async turns({ conversations, model, turns }) {
    const times: number[] = [];
    let left = turns;
    const talk = async (id: string): Promise<void> => {
      while (left-- > 0) {
        const { firstDelta, ended } = clientOf(id).turn(model);
        times.push(await firstDelta);
        await ended;
      }
    };
    await Promise.all(conversations.map(talk));
    return times;
  },
  async speak(input) {
    const times: { direct: number[]; turn: number[] } = { direct: [], turn: [] };
    for (let i = 0; i < input.turns; i++) {
      times.direct.push(await askServices(input));
      const client = clientOf(input.conversations[i % input.conversations.length] ?? '');
      times.turn.push(await client.speak(input.segments));
    }
    return times;
  },
  async messages({ conversation, reads }) {
    const client = clientOf(conversation);
    const times: number[] = [];
    for (let i = 0; i < reads; i++) {
      const startedAt = clock();
      await client.call('query', 'conversations.messages', { conversationId: conversation, limit: 50, order: 'desc' });
      times.push(clock() - startedAt);
    }
    return times;
  },
});

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { brokenRules } from '@parley/client/cli/replay-rules';
import type { Event } from '@parley/shared/event';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { type CliResult, cli, result } from '../support/cli.ts';
import { clip } from '../support/clip.ts';
import { collect, parleyOf } from '../support/parley.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { type SpeechProvider, startSpeechProvider } from '../support/speech-provider.ts';

vi.setConfig({ testTimeout: 120_000 });

let app: App;
let speech: SpeechProvider;
let env: Record<string, string>;
let folder: string;
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-replay-'));
  speech = await startSpeechProvider();
  app = await startApp({ env: { STT_BASE_URL: speech.url, TTS_BASE_URL: speech.url, MODEL_ATTEMPTS: '1' } });
  env = { PARLEY_URL: app.url, PARLEY_TOKEN: await app.token('ann') };
});
afterAll(async () => {
  await app?.stop();
  await speech?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function exportOf(conversationId: string): Promise<string> {
  const file = path.join(folder, `${conversationId}.json`);
  const run = await result(cli(['export', conversationId, '--out', file], { env }));
  expect(run).toEqual({ code: 0, stdout: '', stderr: '' });
  return file;
}

function replayed(...args: string[]): Promise<CliResult> {
  return result(cli(['replay', ...args], { env }));
}

/** A greeting, a turn, one that is interrupted, one that fails, and another try of that: the script of their answers. */
async function longConversation(): Promise<{ file: string; script: () => void; voiceSessionId: string }> {
  const script = (): void => {
    app.provider.script(answer('Welcome. ', 'Who are you?'), answer('Ann it is. ', 'And where?'));
    app.provider.script(answer('Once upon', gate(), ' never said'), refusal(500), answer('Now it works.'));
    app.provider.script(answer('I heard you. ', 'Go on.'));
  };
  script();
  const { trpc, ...parley } = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create({ title: 'Long' });
  const { greeting } = await conversation.open();
  await greeting?.done;
  await conversation.send('I am Ann', { pageContext: { page: 'profile' } }).done;
  const story = conversation.send('a story');
  await collect(story, (event) => (event.type === 'agent.delta' ? story.interrupt() : undefined));
  const failing = conversation.send('fails');
  expect((await failing.done).type).toBe('turn.failed');
  const { turnId } = await trpc.turns.retry.mutate({ turnId: failing.id });
  await conversation.turn(turnId).done;
  const voice = await trpc.voice.sendMessage.mutate({
    conversationId: conversation.id,
    format: 'wav',
    data: clip('format.wav'),
  });
  await conversation.turn(voice.turnId).done;
  return { file: await exportOf(conversation.id), script, voiceSessionId: voice.voiceSessionId };
}

test('an exported conversation is said again, and is the same', async () => {
  const { file, script, voiceSessionId } = await longConversation();
  script();
  const run = await replayed(file, '--text');
  expect(run.stdout, run.stderr).toMatch(
    /^6 turns: 6 same, 0 different, 0 skipped; replayed as conversation [0-9a-f-]{36}$/m,
  );
  expect(run).toMatchObject({ code: 0, stderr: '' });
  expect(run.stdout).toContain('turn 1   greeting same      (the agent speaks first)\n');
  expect(run.stdout).toContain('turn 3   text     same      “a story”\n');
  expect(run.stdout).toMatch(
    /^turn 6 {3}voice {4}same {6}“You said it\.”\n {4}· said as text: its recording is no part/m,
  );
  expect(run.stdout).not.toContain('\x1b');
  // With its recording, the spoken turn is spoken again: then its transcript is compared too.
  script();
  fs.writeFileSync(path.join(folder, `${voiceSessionId}.wav`), clip('format.wav'));
  const heard = speech.requests.length;
  const spoken = await replayed(file, '--recordings', folder, '--json');
  expect(spoken.code, spoken.stdout + spoken.stderr).toBe(0);
  const { results, ...summary } = JSON.parse(spoken.stdout);
  expect(summary).toMatchObject({ turns: 6, same: 6, different: 0, skipped: 0 });
  expect(results[5]).toMatchObject({ input: 'voice', result: 'same', notes: [] });
  expect(speech.requests.slice(heard).some(({ path }) => path.endsWith('/transcriptions'))).toBe(true);
});

test('what comes otherwise is a difference, told step by step', async () => {
  app.provider.script(answer('First. '), answer('Second.'), answer('Third.'));
  const conversation = await (await parleyOf(app, 'ann')).conversations.create();
  for (const words of ['one', 'two', 'three']) await conversation.send(words).done;
  const file = await exportOf(conversation.id);
  app.provider.script(answer('First. '), refusal(500), answer('Another.'));
  const run = await replayed(file, '--text');
  expect(run.code).toBe(1);
  expect(run.stdout).toContain('turn 1   text     same      “one”\n');
  expect(run.stdout).toContain(
    [
      'turn 2   text     DIFFERENT “two”',
      '    ! other events (- in the export, + now):',
      '      turn.started (text)',
      '      message.saved (human, complete)',
      '    - agent.delta + agent.text',
      '    - message.saved (agent, complete)',
      '      turn.metrics',
      '    - turn.completed',
      '    + turn.failed (MODEL_UNAVAILABLE)',
    ].join('\n'),
  );
  expect(run.stdout).toContain('turn 3   text     DIFFERENT “three”\n    ! another answer');
  expect(run.stdout).toContain('    - Third.\n    + Another.\n');
  expect(run.stdout).toContain('3 turns: 1 same, 2 different, 0 skipped');
});

test('of turns whose events are gone only the end is compared; what cannot be said again is skipped', async () => {
  app.provider.script(answer('First.'));
  const conversation = await (await parleyOf(app, 'ann')).conversations.create();
  await conversation.send('one').done;
  const whole = JSON.parse(fs.readFileSync(await exportOf(conversation.id), 'utf8'));
  const [turn] = whole.turns;
  const file = path.join(folder, 'bare.json');
  const silent = { ...turn, id: 'x', input: 'voice', status: 'failed', request: { parts: [] }, text: '' };
  const lost = { ...turn, id: 'y', retryOf: 'x', text: '' };
  fs.writeFileSync(
    file,
    JSON.stringify({ ...whole, events: [], turns: [silent, turn, lost, { ...turn, input: 'call' }] }),
  );
  app.provider.script(answer('Quite another one.'));
  const run = await replayed(file);
  expect(run).toMatchObject({ code: 0, stderr: '' });
  expect(run.stdout).toMatch(/turn 1 {3}voice {4}skipped {3}\(nothing\)\n {4}· nothing was understood of it/);
  expect(run.stdout).toMatch(/turn 2 {3}text {5}same {6}“one”\n {4}· only its end is compared/);
  expect(run.stdout).toMatch(/turn 3 .*\n {4}· what it tries again was not replayed/);
  expect(run.stdout).toMatch(/turn 4 {3}call {5}skipped .*\n {4}· was said in a call/);
  fs.writeFileSync(file, JSON.stringify({ ...whole, turns: [silent] }));
  const nothing = await replayed(file);
  expect(nothing).toMatchObject({ code: 1, stderr: 'parley: no turn could be replayed\n' });
});

test('files that are no exports are said in one line', async () => {
  const file = (name: string, content: string): string => {
    fs.writeFileSync(path.join(folder, name), content);
    return path.join(folder, name);
  };
  const wrong: [string, string][] = [
    [path.join(folder, 'none.json'), 'there is no file'],
    [file('text.json', 'Dear Ann'), 'is no JSON'],
    [file('other.json', '{"a":1}'), 'is no exported conversation'],
    [file('new.json', '{"version":2,"conversation":{},"turns":[],"events":[]}'), 'an export of version 2'],
    [file('empty.json', '{"version":1,"conversation":{},"turns":[],"events":[]}'), 'the export has no turns'],
    [file('odd.json', '{"version":1,"conversation":{},"turns":[{"id":"a"}],"events":[]}'), 'turn 1 has no request'],
  ];
  for (const [name, message] of wrong) {
    const run = await replayed(name);
    expect([name, run.code, run.stdout]).toEqual([name, 1, '']);
    expect(run.stderr).toMatch(/^parley: .*\n$/);
    expect(run.stderr).toContain(message);
  }
});

test('the rules of a turn find every event that is out of place', async () => {
  app.provider.script(answer('One. ', 'Two. ', 'Three.'));
  const conversation = await (await parleyOf(app, 'ann')).conversations.create();
  const good = await collect(conversation.send('count', { speak: true }));
  expect(brokenRules(good)).toEqual([]);
  const of = (type: Event['type'], number = 0): number => {
    const found = good.flatMap((event, index) => (event.type === type ? [index] : []));
    return found[number] ?? Number.NaN;
  };
  // A sentence's sound comes in one chunk or in more, as it was there.
  const soundOf = (sentence: number): number =>
    good.findIndex((event) => event.type === 'agent.audio' && event.sentence === sentence);
  const without = (at: number): Event[] => good.toSpliced(at, 1);
  const moved = (from: number, to: number): Event[] => {
    const event = good[from];
    return event ? good.toSpliced(from, 1).toSpliced(to, 0, event) : [];
  };
  const end = good.length - 1;
  const broken: [readonly Event[], string][] = [
    [moved(0, 1), 'comes before turn.started'],
    [without(end), 'no event ends the turn'],
    [moved(end, end - 1), 'comes after turn.completed, which is to be the last'],
    [[...good, ...good.slice(end)], 'comes after turn.completed'],
    [moved(1, of('agent.delta') + 1), 'message.saved (human) comes after events of the agent'],
    [without(of('agent.delta', 1)), 'the agent.delta events do not make the stored answer'],
    [without(of('agent.text', 2)), 'the agent.text events do not make the stored answer'],
    [without(of('agent.text', 0)), 'agent.text: sentence 1 comes in place of 0'],
    [moved(of('agent.audio', 0), 2), 'comes before its agent.text'],
    [moved(soundOf(1), soundOf(0)), 'agent.audio of sentence 0 after 1'],
    [good.flatMap((event, at) => (at === soundOf(0) ? [event, event] : [event])), 'sentence 0: chunk 0 after 0'],
    [without(of('message.saved', 1)), 'and none is stored'],
  ];
  for (const [events, message] of broken) expect(brokenRules(events).join('\n')).toContain(message);
});

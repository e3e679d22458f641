import os from 'node:os';
import { onParentGone } from '@parley/server/boot/parent';
import { history } from './history.ts';
import { memory } from './memory.ts';
import { type Figure, save, table } from './report.ts';
import { Stage } from './stage.ts';
import { stream } from './stream.ts';
import { turn } from './turn.ts';
import { voice } from './voice.ts';

const cases: Readonly<Record<string, (stage: Stage) => Promise<Figure[]>>> = {
  stream,
  turn,
  voice,
  history,
  memory,
};

// A bench that is ended takes what it started with it: every process watches its parent.
onParentGone(() => process.exit(1));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in cases));
if (unknown !== undefined) {
  console.error(`no case ${unknown}; there are ${Object.keys(cases).join(', ')}`);
  process.exit(1);
}

const cores = os.availableParallelism();
const [load = 0] = os.loadavg();
const startedAt = performance.now();
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(cases)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.error(`measuring ${name} …`);
  const stage = await Stage.open();
  try {
    figures.push(...(await measure(stage)));
  } finally {
    await stage.close();
  }
}
const seconds = Math.round((performance.now() - startedAt) / 1000);
console.log(table(figures));
if (load > cores / 2)
  console.log(`the machine was busy (load ${load.toFixed(1)} on ${cores} cores): compare ratios, and measure again`);
console.log(`${seconds} s; written to ${save(figures, seconds, load)}`);

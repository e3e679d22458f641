import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type InlineConfig, type TestSpecification } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What takes long, begun first so that the end does not wait for it. */
const long = ['test/fault/', 'test/native/', 'test/browser/', 'test/example/', 'test/wire/cli'];
/** What takes long and hardly a processor: one at a time beside those that do. */
const quiet = new Set([
  ...['connection', 'credential'].map((name) => `${root}test/security/${name}.test.ts`),
  ...['cli-listen', 'client', 'client-loss', 'conversation-fault', 'embedded', 'voice-stall'].map(
    (name) => `${root}test/wire/${name}.test.ts`,
  ),
]);

/**
 * Files that change nothing outside of themselves: they run one after the other in the same processes, which then load the server
 * once. Not those that fake clocks or globals, count what is left open, load models or start programs.
 */
const plain = [
  'test/law/*.test.ts',
  'test/security/{attachment,audio,console-headers,console-sign-in,input,request,tenancy,token}.test.ts',
  'test/suite/{bubble,env,failure,few,frame,heard,history,id,live,live-redis,log,model-local*,prompt,reconcile,reduce}.test.ts',
  'test/suite/{client-parts,observable-native,playground-*,sentence,speakable,superjson-native,token,wire}.test.ts',
  'test/wire/{attachment*,conversation,conversation-delete,export,http*,list,model-*,open,stock-transport,stream-events,turn-*}.test.ts',
  'test/wire/{console-page,listen,playground,speech-synthesizer,speech-transcriber}.test.ts',
  'test/wire/trpc-{client,failure,http,limit,pump,push,socket}.test.ts',
  'test/wire/voice-{abandoned,bytes,cancel,delete,heard,kept,message,segment,speech,trace}.test.ts',
];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification): number => {
      const at = long.findIndex((folder) => moduleId.startsWith(`${root}${folder}`));
      if (at >= 0) return at;
      // Behind all others, so that their processes go on from one to the next.
      return project.config.isolate ? long.length : long.length + 1;
    };
    const sorted = await super.sort(files);
    const ranked = sorted.filter(({ moduleId }) => !quiet.has(moduleId)).sort((one, other) => rank(one) - rank(other));
    // Those of faults wait for leases: side by side they would leave the processors idle.
    const order = alternated(
      ranked.filter((file) => rank(file) === 0),
      ranked.filter((file) => rank(file) > 0),
    );
    const patient = sorted.filter(({ moduleId }) => quiet.has(moduleId));
    for (const [index, file] of patient.entries()) order.splice(2 + 3 * index, 0, file);
    return order;
  }
}

/** One of each in turn, and then the rest. */
function alternated<T>(some: readonly T[], others: readonly T[]): T[] {
  return Array.from({ length: Math.max(some.length, others.length) }, (_, i) => i).flatMap((i) => [
    ...some.slice(i, i + 1),
    ...others.slice(i, i + 1),
  ]);
}

/** What both kinds of files have in common. */
const common: InlineConfig = {
  pool: 'forks',
  // Most tests wait for others' processes, so that two processors serve three.
  maxWorkers: 3,
  testTimeout: 30_000,
  // What is waited for comes when it comes, also on a busy machine.
  expect: { poll: { timeout: 15_000 } },
  hookTimeout: 60_000,
  teardownTimeout: 30_000,
};
// Test files beside the code find vitest where it is installed.
const resolve = { alias: { vitest: fileURLToPath(new URL('node_modules/vitest', import.meta.url)) } };
const all = ['test/**/*.test.ts', '{shared,db,server,client}/**/*.test.ts'];
const exclude = ['**/node_modules/**'];

export default defineConfig({
  root,
  resolve,
  test: {
    globalSetup: ['test/support/setup.ts'],
    sequence: { sequencer: LongFirst },
    projects: [
      { root, resolve, test: { ...common, name: 'alone', include: all, exclude: [...exclude, ...plain] } },
      { root, resolve, test: { ...common, name: 'together', include: plain, exclude, isolate: false } },
    ],
  },
});

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What takes long, begun first so that the end does not wait for it. */
const long = ['test/fault/', 'test/native/', 'test/browser/', 'test/example/', 'test/wire/cli'];
/** What takes long and hardly a processor: one at a time beside those that do. */
const quiet = new Set([
  `${root}test/security/connection.test.ts`,
  ...['cli-listen', 'client', 'client-loss', 'embedded', 'voice-stall'].map(
    (name) => `${root}test/wire/${name}.test.ts`,
  ),
]);

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = long.findIndex((folder) => moduleId.startsWith(`${root}${folder}`));
      return at < 0 ? long.length : at;
    };
    const sorted = await super.sort(files);
    const order = sorted.filter(({ moduleId }) => !quiet.has(moduleId)).sort((one, other) => rank(one) - rank(other));
    const patient = sorted.filter(({ moduleId }) => quiet.has(moduleId));
    for (const [index, file] of patient.entries()) order.splice(2 + 3 * index, 0, file);
    return order;
  }
}

export default defineConfig({
  root,
  // Test files beside the code find vitest where it is installed.
  resolve: { alias: { vitest: fileURLToPath(new URL('node_modules/vitest', import.meta.url)) } },
  test: {
    include: ['test/**/*.test.ts', '{shared,db,server,client}/**/*.test.ts'],
    globalSetup: ['test/support/setup.ts'],
    pool: 'forks',
    // Most tests wait for others' processes, so that two processors serve three.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    testTimeout: 30_000,
    // What is waited for comes when it comes, also on a busy machine.
    expect: { poll: { timeout: 15_000 } },
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
});

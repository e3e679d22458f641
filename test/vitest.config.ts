import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What takes long, begun first so that the end does not wait for it. */
const long = ['test/fault/', 'test/native/', 'test/browser/', 'test/example/', 'test/wire/cli'];
/** What takes long and hardly a processor: one at a time beside those that do. */
const quiet = ['cli-listen', 'embedded', 'voice-stall', 'client', 'client-loss'].map(
  (name) => `test/wire/${name}.test.ts`,
);
quiet.push('test/security/connection.test.ts');

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankIn = (list: readonly string[], { moduleId }: TestSpecification): number => {
      const at = list.findIndex((name) => moduleId.startsWith(`${root}${name}`));
      return at < 0 ? list.length : at;
    };
    const sorted = await super.sort(files);
    const isQuiet = (file: TestSpecification): boolean => rankIn(quiet, file) < quiet.length;
    const order = sorted.filter((file) => !isQuiet(file)).sort((one, other) => rankIn(long, one) - rankIn(long, other));
    for (const [index, file] of sorted.filter(isQuiet).entries()) order.splice(2 + 3 * index, 0, file);
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

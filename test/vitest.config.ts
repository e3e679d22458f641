import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Folders of tests that wait much, and so leave a processor to others: begun first, they do not make the end wait. */
const first = ['test/fault/', 'test/native/', 'test/browser/', 'test/example/', 'test/wire/cli'];

class PatientFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = first.findIndex((folder) => moduleId.startsWith(`${root}${folder}`));
      return at < 0 ? first.length : at;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
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
    sequence: { sequencer: PatientFirst },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
});

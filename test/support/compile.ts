// Run once before the tests: compiles the server that their replicas are, so that each of those finds it compiled. They keep
// nothing themselves: most are killed, and dozens that write the same thousand files at once wait for each other's renames.
import '@parley/server/boot/serve';
import { flushCompileCache } from 'node:module';

flushCompileCache();
// Nothing was started, whatever the modules have opened.
process.exit(0);

import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

// node bundle.mjs FOLDER NAME=ENTRY… : bundles each entry for Android with Metro as React Native sets it up, for production,
// into FOLDER/NAME.js. They are what is handed to Hermes' compiler, which needs no minifying; one whose name ends in `.min` is
// minified all the same, by Metro's own minifier. No watcher, no network; what it has transformed is kept for the next time.
const [folder, ...entries] = process.argv.slice(2);
const root = path.resolve(import.meta.dirname, '../..');
const app = path.join(root, 'client/expo');
const from = (...names) =>
  names.reduce((require, name) => createRequire(require.resolve(name)), createRequire(path.join(app, 'package.json')));
const { getDefaultConfig, mergeConfig } = from()('@react-native/metro-config');
const metro = from('@react-native/metro-config', 'metro-config');
const { runBuild } = metro('metro');
const { FileStore } = metro('metro-cache');

const config = mergeConfig(getDefaultConfig(app), {
  projectRoot: app,
  watchFolders: [root],
  cacheStores: [new FileStore({ root: path.join(root, 'node_modules/.cache/metro') })],
  fileMapCacheDirectory: folder,
  maxWorkers: 2,
  reporter: { update() {} },
  resolver: {
    useWatchman: false,
    // What an app installs, also for files of the workspace that lie outside of it.
    nodeModulesPaths: [path.join(app, 'node_modules')],
    extraNodeModules: {
      '@babel/runtime': path.dirname(from('expo/package.json').resolve('@babel/runtime/package.json')),
    },
  },
});

const minify = from(
  '@react-native/metro-config',
  'metro-config',
  'metro',
  'metro-transform-worker',
)(config.transformer.minifierPath);

for (const each of entries) {
  const at = each.indexOf('=');
  const out = path.join(folder, `${each.slice(0, at)}.js`);
  const entry = path.resolve(each.slice(at + 1));
  const profile = { unstable_transformProfile: 'hermes-stable' };
  await runBuild(config, { entry, out, platform: 'android', dev: false, minify: false, ...profile });
  if (!out.endsWith('.min.js')) continue;
  const code = await readFile(out, 'utf8');
  const least = await minify({ code, config: config.transformer.minifierConfig, filename: out, reserved: [] });
  await writeFile(out, least.code);
}

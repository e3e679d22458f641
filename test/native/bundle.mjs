import { createRequire } from 'node:module';
import path from 'node:path';

// node bundle.mjs FOLDER NAME=ENTRY… : bundles each entry for Android with Metro as React Native sets it up, for production,
// into FOLDER/NAME.js. A name that ends in `.min` is minified for any engine; the others
// are as they are handed to Hermes' compiler, which needs no minifying. No watcher, no network, no cache outside of FOLDER.
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
  cacheStores: [new FileStore({ root: path.join(folder, 'cache') })],
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

for (const each of entries) {
  const at = each.indexOf('=');
  const name = each.slice(0, at);
  const minify = name.endsWith('.min');
  await runBuild(config, {
    entry: path.resolve(each.slice(at + 1)),
    out: path.join(folder, name),
    platform: 'android',
    dev: false,
    minify,
    unstable_transformProfile: minify ? 'default' : 'hermes-stable',
  });
}

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const sources = ['shared', 'db', 'server', 'client'].flatMap((room) => list(join(root, room)));

function list(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'dist') return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? list(path) : /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found = [
    ...text.matchAll(/^(?:import|export)\s(type\s)?[^'";]*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm),
  ];
  return found.map(([, type, named, bare, dynamic]) => {
    const name = named ?? bare ?? dynamic ?? '';
    const own = name.match(/^@parley\/(\w+)\/?(.*)$/);
    const to = name.startsWith('.')
      ? relative(root, resolve(dirname(file), name))
      : own
        ? `${own[1]}/${own[2] || 'index'}`
        : name;
    return { from: relative(root, file), to, typeOnly: type !== undefined };
  });
}

const imports = sources.flatMap(importsOf);
const between = (from: RegExp, to: RegExp) =>
  imports.filter((each) => from.test(each.from) && to.test(each.to)).map((each) => `${each.from} -> ${each.to}`);

describe('rooms', () => {
  it('were found', () => {
    expect(sources.length).toBeGreaterThan(60);
    expect(imports.length).toBeGreaterThan(200);
  });

  it('shared knows no other room and no I/O', () => {
    expect(between(/^shared\//, /^(db|server|client|test)\//)).toEqual([]);
    expect(between(/^shared\/(?!.*\.test\.ts$)/, /^(node:|ws$|pg$|kysely|ioredis|fastify)/)).toEqual([]);
  });

  it('db knows only shared', () => {
    expect(between(/^db\//, /^(server|client|test)\//)).toEqual([]);
  });

  it('server knows neither client nor test', () => {
    expect(between(/^server\//, /^(client|test)\//)).toEqual([]);
  });

  it('the client core takes types from the server and nothing else', () => {
    const values = imports.filter(
      (each) => /^client\/(?!cli\/)/.test(each.from) && /^(server|db)\//.test(each.to) && !each.typeOnly,
    );
    expect(values).toEqual([]);
  });

  it('the client core knows neither React nor what is built on it', () => {
    const core = /^client\/([^/]+$|(connection|conversation|recorder|player)\/)/;
    expect(between(core, /^(react|react-dom|@tanstack\/|client\/(react|console|expo|playground)\/)/)).toEqual([]);
  });

  it('the hooks know React, and nothing of a page or a phone', () => {
    expect(between(/^client\/react\//, /^(react-dom|react-native|expo)/)).toEqual([]);
    expect(between(/^client\/react\//, /^client\/recorder\/(media|microphone|store-browser)/)).toEqual([]);
  });

  it('the client core knows no Node', () => {
    expect(between(/^client\/(?!cli\/)/, /^node:/)).toEqual([]);
  });
});

describe('inside the server', () => {
  it('ports do not import each other', () => {
    for (const port of ['model', 'speech', 'files', 'history', 'live']) {
      const others = ['model', 'speech', 'files', 'history', 'live'].filter((other) => other !== port).join('|');
      expect(between(new RegExp(`^server/${port}/`), new RegExp(`^server/(${others}|turn|rpc|boot)/`))).toEqual([]);
    }
  });

  it('turn sees ports, never what implements them', () => {
    expect(between(/^server\/turn\//, /^(openai|ioredis|fastify|ws|@trpc\/|pino|prom-client)/)).toEqual([]);
    expect(between(/^server\/turn\//, /^server\/(rpc|boot|account)\//)).toEqual([]);
    expect(between(/^server\/turn\//, /^server\/(model|history|live)\/(openai|local|redis|memory)/)).toEqual([]);
  });

  it('only boot names implementations, and nobody imports boot', () => {
    expect(between(/^server\/(?!boot\/)/, /^server\/boot\//)).toEqual([]);
    expect(between(/^server\/rpc\//, /^server\/(model|history|live)\/(openai|local|redis|memory)/)).toEqual([]);
  });

  it('reads the environment in one place', () => {
    const readers = sources.filter(
      (file) => /^server\//.test(relative(root, file)) && /process\.env/.test(readFileSync(file, 'utf8')),
    );
    expect(readers.map((file) => relative(root, file))).toEqual(['server/boot/env.ts']);
  });
});

describe('the house', () => {
  it('has no drawer for leftovers', () => {
    const drawers = sources.filter((file) =>
      /(^|[/-])(utils?|helpers?|manager|service)(\.|\/|-)/.test(relative(root, file)),
    );
    expect(drawers).toEqual([]);
  });

  it('has no import cycle', () => {
    const graph = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) {
      if (typeOnly) continue;
      const file = /\.tsx?$/.test(to) ? to : `${to}.ts`;
      graph.set(from, [...(graph.get(from) ?? []), file]);
    }
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (done.has(file) || path.includes(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of graph.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

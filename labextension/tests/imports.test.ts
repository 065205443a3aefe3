/** Checks the imports between the modules of `src`: their direction, and that they have no circle. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '..', 'src');

// From the bottom up. A folder imports itself and the rows before its own.
const LAYERS = [
  ['protocol'],
  ['client'],
  ['session'],
  ['rendering'],
  ['panel', 'notebook'],
  ['plugins'],
  ['index.ts']
];
const PANEL_LAYERS = [
  ['services.tsx'],
  ['controls'],
  ['composer', 'cards', 'charts'],
  ['privacy', 'connections'],
  ['data'],
  ['analyses', 'conversation'],
  ['shell']
];
// The tokens describe what `session` implements and what every folder above it may use.
const TOKENS = 'tokens.ts';
const BELOW_TOKENS = ['protocol', 'client', 'session'];

const modules = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map(name => normalize(name).replaceAll('\\', '/'))
  .filter(name => /\.tsx?$/.test(name));

function importsOf(module: string): string[] {
  const text = readFileSync(join(SRC, module), 'utf8');
  return [...text.matchAll(/from '(\.[^']+)'/g)].map(([, specifier = '']) => {
    const target = join(dirname(module), specifier);
    const found = [`${target}.ts`, `${target}.tsx`].find(name => modules.includes(name));
    if (found === undefined) {
      throw new Error(`${module} imports ${specifier}, which is no module.`);
    }
    return found;
  });
}

const graph = new Map(modules.map(module => [module, importsOf(module)]));

/** Return the imports from one part of `folder` to another part of the same or a higher layer. */
function forbidden(folder: string, layers: readonly (readonly string[])[]): string[] {
  const part = (module: string): string | undefined =>
    module.startsWith(folder) ? module.slice(folder.length).split('/')[0] : undefined;
  const height = (name: string): number => {
    const found = layers.findIndex(layer => layer.includes(name));
    if (found < 0) {
      throw new Error(`${folder}${name} has no layer.`);
    }
    return found;
  };
  const arrows = [...graph].flatMap(([module, targets]) =>
    targets.map(target => ({ module, target, from: part(module), to: part(target) }))
  );
  return arrows
    .filter(({ from, to }) => {
      if (from === undefined || to === undefined || from === to) {
        return false;
      }
      if (from === TOKENS) {
        return !BELOW_TOKENS.includes(to);
      }
      if (to === TOKENS) {
        return from === 'protocol' || from === 'client';
      }
      return height(from) <= height(to);
    })
    .map(({ module, target }) => `${module} -> ${target}`);
}

function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (module: string, path: readonly string[]): void => {
    if (path.includes(module)) {
      found.push([...path.slice(path.indexOf(module)), module].join(' -> '));
    } else if (!done.has(module)) {
      for (const target of graph.get(module) ?? []) {
        visit(target, [...path, module]);
      }
      done.add(module);
    }
  };
  modules.forEach(module => {
    visit(module, []);
  });
  return found;
}

describe('imports', () => {
  it('are all read', () => {
    expect([...graph.values()].flat().length).toBeGreaterThan(200);
  });

  it('lead down from layer to layer', () => {
    expect(forbidden('', LAYERS)).toEqual([]);
  });

  it('lead down from folder to folder of the panel', () => {
    expect(forbidden('panel/', PANEL_LAYERS)).toEqual([]);
  });

  it('close no circle', () => {
    expect(circles()).toEqual([]);
  });
});

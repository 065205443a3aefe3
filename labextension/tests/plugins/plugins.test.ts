// @vitest-environment happy-dom
import { nullTranslator } from '@jupyterlab/translation';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withoutDrive } from '../../src/panel/shell/panel-widget';
import { CommandIds } from '../../src/plugins/ids';
import { noticeOf } from '../../src/plugins/notifications';
import { readDefaults } from '../../src/plugins/settings';
import { FakeServer } from '../fakes/server';

const trans = nullTranslator.load('analyst_kernel');

describe('settings', () => {
  const schema = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', '..', 'schema', 'settings.json'), 'utf8')
  ) as Record<string, unknown> & { properties: Record<string, { default: unknown }> };
  const settings = (values: Record<string, unknown>): Parameters<typeof readDefaults>[0] => ({
    get: key => ({
      composite: (values[key] ?? schema.properties[key]?.default) as never,
      user: undefined
    })
  });

  it('leave everything to the server by default', () => {
    expect(readDefaults(settings({}))).toEqual({
      model: null,
      approval: null,
      budget: null,
      privacy: null,
      analysisBudget: null
    });
  });

  it('are read', () => {
    const values = {
      privacy: 'no-values',
      defaultModel: ' a:b ',
      approval: 'cells',
      budget: 0.5,
      analysisBudget: 0
    };
    expect(readDefaults(settings(values))).toEqual({
      model: 'a:b',
      approval: 'cells',
      budget: 0.5,
      privacy: 'no-values',
      analysisBudget: null
    });
  });

  it('name only commands that exist', () => {
    const named = [...JSON.stringify(schema).matchAll(/"command":"([^"]+)"/g)].map(m => m[1]);
    expect(named.length).toBeGreaterThan(5);
    const known: readonly string[] = Object.values(CommandIds);
    expect(named.filter(name => !known.includes(name ?? ''))).toEqual([]);
  });
});

describe('notifications', () => {
  const server = new FakeServer();
  server.add('a', [], { title: 'Mileage' });
  const summary = server.summaries.get('a');

  it.each([
    ['running', 'idle', '“Mileage” is done.'],
    ['running', 'failed', '“Mileage” did not work.'],
    ['running', 'waiting', '“Mileage” waits for you.'],
    ['waiting', 'running', undefined],
    ['failed', 'idle', undefined]
  ] as const)('from %s to %s', (before, after, message) => {
    if (summary === undefined) {
      throw new Error('no summary');
    }
    const change = { before: { ...summary, state: before }, after: { ...summary, state: after } };
    expect(noticeOf(change, trans)?.message).toBe(message);
  });
});

describe('paths of the file browser', () => {
  it.each([
    ['data/a.csv', 'data/a.csv'],
    ['RTC:data/a.csv', 'data/a.csv'],
    ['s3://bucket/a.csv', 's3://bucket/a.csv']
  ])('%s', (path, bare) => {
    expect(withoutDrive(path)).toBe(bare);
  });
});

// @vitest-environment happy-dom
import { nullTranslator } from '@jupyterlab/translation';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cellQuestion, repairQuestion } from '../../src/notebook/cell-facts';
import { withoutDrive } from '../../src/panel/shell/panel-widget';
import { questionParts } from '../../src/panel/conversation/question';
import {
  bytes,
  count,
  dollars,
  duration,
  errorMessage,
  tokens,
  warningText
} from '../../src/panel/controls/format';
import { CommandIds } from '../../src/plugins/ids';
import { noticeOf } from '../../src/plugins/notifications';
import { readDefaults } from '../../src/plugins/settings';
import { highlight } from '../../src/rendering/highlight';
import { FakeServer } from '../fakes/server';

const trans = nullTranslator.load('analyst_kernel');

describe('settings', () => {
  const schema = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', 'schema', 'settings.json'), 'utf8')
  ) as Record<string, unknown> & { properties: Record<string, { default: unknown }> };
  const settings = (values: Record<string, unknown>): Parameters<typeof readDefaults>[0] => ({
    get: key => ({
      composite: (values[key] ?? schema.properties[key]?.default) as never,
      user: undefined
    })
  });

  it('leave everything to the server until they are set', () => {
    expect(readDefaults(settings({}))).toEqual({ model: null, approval: null, budget: null });
  });

  it('are read', () => {
    const values = { defaultModel: ' a:b ', approval: 'cells', budget: 0.5 };
    expect(readDefaults(settings(values))).toEqual({
      model: 'a:b',
      approval: 'cells',
      budget: 0.5
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
    const turn = { before: { ...summary, state: before }, after: { ...summary, state: after } };
    expect(noticeOf(turn, trans)?.message).toBe(message);
  });
});

describe('questions about cells', () => {
  const facts = { source: 'x = """```"""', prompt: 5, error: "KeyError: 'city'" };

  it('name the cell, its error and its code', () => {
    expect(repairQuestion(facts, 'a.ipynb')).toContain(
      "Cell [5] of a.ipynb fails with KeyError: 'city'. Fix it"
    );
    expect(cellQuestion({ ...facts, prompt: null }, 'a.ipynb')).toMatch(/^About this cell of/);
  });

  it('are shown with their code as code, whatever stands in it', () => {
    expect(questionParts(repairQuestion(facts, 'a.ipynb'))).toEqual([
      { code: false, text: expect.stringContaining('Fix it') as string },
      { code: true, text: 'x = """```"""' }
    ]);
    expect(questionParts('Why?')).toEqual([{ code: false, text: 'Why?' }]);
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

describe('wording', () => {
  it('writes numbers as a person reads them', () => {
    expect([33_442, 1_200_000].map(count)).toEqual(['33,442', '1.2 M']);
    expect([940, 9_120, 1_250_000].map(tokens)).toEqual(['940', '9.1k', '1.3M']);
    expect([0, 0.004, 0.034, 1].map(dollars)).toEqual(['$0.00', '<$0.01', '$0.03', '$1.00']);
    expect([0.01, 0.22, 9.97, 38.4, 125].map(duration)).toEqual([
      '<0.1 s',
      '0.2 s',
      '10 s',
      '38 s',
      '2 min 5 s'
    ]);
    expect([900, 3_468_997].map(bytes)).toEqual(['900 B', '3.5 MB']);
  });

  it('tells an error in one sentence, with its hint', () => {
    const error = { name: 'KeyError', message: "'city'", line: 2, hint: 'Nearest: `cty`.' };
    expect(errorMessage(error)).toBe('city. Nearest: `cty`.');
    expect(errorMessage({ ...error, hint: '', message: 'a\nb' })).toBe('a.');
  });

  it('tell of which column a warning speaks', () => {
    const warning = { code: 'c', message: '46 % of its values are missing.', column: 'sex' };
    expect(warningText(warning)).toBe('sex: 46 % of its values are missing.');
    expect(warningText({ ...warning, column: null })).toBe('46 % of its values are missing.');
  });
});

describe('highlight', () => {
  const code = 'def f(x):  # "no"\n    return """a\n""" + str(1.5e3) + \'it\\\'s\'';

  it('gives back the code, at every cut', () => {
    for (let cut = 0; cut <= code.length; cut += 1) {
      const tokens = highlight(code.slice(0, cut), 'python');
      expect(tokens.map(token => token.text).join('')).toBe(code.slice(0, cut));
    }
  });

  it('knows what is what', () => {
    const kinds = (text: string, language: 'python' | 'sql'): string[] =>
      highlight(text, language)
        .filter(token => token.kind !== 'plain')
        .map(token => `${token.kind}:${token.text}`);
    expect(kinds(code, 'python')).toEqual([
      'keyword:def',
      'call:f',
      'comment:# "no"',
      'keyword:return',
      'text:"""a\n"""',
      'call:str',
      'number:1.5e3',
      "text:'it\\'s'"
    ]);
    expect(kinds("SELECT avg(x) FROM t -- 'c'", 'sql')).toEqual([
      'keyword:SELECT',
      'call:avg',
      'keyword:FROM',
      "comment:-- 'c'"
    ]);
  });
});

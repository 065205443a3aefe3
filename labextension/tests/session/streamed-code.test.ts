import { describe, expect, it } from 'vitest';
import { codeOf, textFields } from '../../src/session/streamed-code';
import { recorded } from './recorded';

const CODE = 'x = "ä\\n€ 😀"\n\tprint({"a": [1, 2]})\n# \u2028 "quoted" \\';
const INPUT = JSON.stringify({ options: { code: 'inner', n: [1, '}'] }, code: CODE, step: 2 });

describe('textFields', () => {
  it('reads the fields at the top and not those inside', () => {
    expect(textFields(INPUT).get('code')).toBe(CODE);
    expect(textFields('{"options": {"code": "inner"}}').get('code')).toBeUndefined();
  });

  it('only ever grows, at every cut, and never shows half an escape', () => {
    const escaped = INPUT.replace('😀', '\\ud83d\\ude00');
    let before = '';
    for (let cut = 0; cut <= escaped.length; cut += 1) {
      const now = textFields(escaped.slice(0, cut)).get('code') ?? '';
      expect(now.startsWith(before)).toBe(true);
      expect(CODE.startsWith(now)).toBe(true);
      before = now;
    }
    expect(before).toBe(CODE);
  });

  it.each(['', '{', 'null', '[1', '{"code"', '{"code":', '{"code": 7', '"code', '{]}"'])(
    'reads nothing out of %j and does not fail',
    text => {
      expect(textFields(text).get('code')).toBeUndefined();
    }
  );
});

describe('codeOf', () => {
  it('returns code only for the tools that run code', () => {
    const tool = { id: '1', input: '{"sql": "SELECT 1", "purpose": "One"' };
    expect(codeOf({ ...tool, name: 'run_sql' })).toEqual({
      language: 'sql',
      text: 'SELECT 1',
      purpose: 'One'
    });
    expect(codeOf({ ...tool, name: 'finish' })).toBeNull();
    expect(codeOf({ ...tool, name: 'toString' })).toBeNull();
  });

  it('ends with the very code of each recorded cell', () => {
    const events = recorded('repair');
    const inputs = new Map<string, { name: string; input: string }>();
    for (const event of events) {
      if (event.type === 'tool_input_streamed') {
        const before = inputs.get(event.tool_call)?.input ?? '';
        inputs.set(event.tool_call, { name: event.tool, input: before + event.text });
      }
    }
    const streamed = [...inputs].flatMap(([id, tool]) => codeOf({ id, ...tool })?.text ?? []);
    const run = events.flatMap(event => (event.type === 'iteration_started' ? event.code : []));
    expect(streamed).toHaveLength(run.length);
    streamed.forEach((code, index) => {
      expect(run[index]).toContain(code);
    });
  });
});

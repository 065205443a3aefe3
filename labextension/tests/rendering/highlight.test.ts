import { describe, expect, it } from 'vitest';
import { highlight } from '../../src/rendering/highlight';

describe('highlight', () => {
  const code = 'def f(x):  # "no"\n    return """a\n""" + str(1.5e3) + \'it\\\'s\'';

  it('returns the code, at every cut', () => {
    for (let cut = 0; cut <= code.length; cut += 1) {
      const tokens = highlight(code.slice(0, cut), 'python');
      expect(tokens.map(token => token.text).join('')).toBe(code.slice(0, cut));
    }
  });

  it('finds keywords, texts, comments, numbers and calls', () => {
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

import { describe, expect, it } from 'vitest';
import {
  bytes,
  count,
  dollars,
  duration,
  errorMessage,
  tokens,
  warningText
} from '../../../src/panel/controls/format';

describe('format', () => {
  it('writes numbers in short', () => {
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

  it('puts an error in one sentence, with its hint', () => {
    const error = { name: 'KeyError', message: "'city'", line: 2, hint: 'Nearest: `cty`.' };
    expect(errorMessage(error)).toBe('city. Nearest: `cty`.');
    expect(errorMessage({ ...error, hint: '', message: 'a\nb' })).toBe('a.');
  });

  it('names the column of a warning', () => {
    const warning = {
      code: 'c',
      message: '46 % of its values are missing.',
      column: 'sex',
      values: []
    };
    expect(warningText(warning)).toBe('sex: 46 % of its values are missing.');
    expect(warningText({ ...warning, column: null })).toBe('46 % of its values are missing.');
  });
});

// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { cellQuestion, repairQuestion } from '../../src/notebook/cell-facts';
import { questionParts } from '../../src/panel/conversation/question';

describe('questions about cells', () => {
  const facts = { source: 'x = """```"""', prompt: 5, number: 0, error: "KeyError: 'city'" };

  it('name the cell, its error and its code', () => {
    expect(repairQuestion(facts, 'a.ipynb')).toContain(
      "Cell [5] of a.ipynb fails with KeyError: 'city'. Fix it"
    );
    expect(cellQuestion({ ...facts, prompt: null }, 'a.ipynb')).toMatch(/^About this cell of/);
    expect(cellQuestion({ ...facts, number: 12 }, 'a.ipynb')).toMatch(/^About cell 12 of/);
    expect(repairQuestion({ ...facts, number: 12 }, 'a.ipynb')).toMatch(/^Cell 12 of/);
  });

  it('are split into text and code, whatever the code contains', () => {
    expect(questionParts(repairQuestion(facts, 'a.ipynb'))).toEqual([
      { code: false, text: expect.stringContaining('Fix it') as string },
      { code: true, text: 'x = """```"""' }
    ]);
    expect(questionParts('Why?')).toEqual([{ code: false, text: 'Why?' }]);
  });
});

import { describe, expect, it } from 'vitest';
import { noted, planWrite, type Change } from '../../src/notebook/write-plan';

const cells = [
  { id: 'a', cell_type: 'code', source: '1' },
  { id: 'b', cell_type: 'code', source: '2' }
];

function put(id: string, source: string, after: string | null, expects: string | null): Change {
  const cell = { id, cell_type: 'code', source, metadata: { trusted: true }, outputs: [] };
  return { change: 'put_cell', cell, after, at_end: false, expects };
}

describe('a write of the server', () => {
  it('puts cells below their predecessor, also below cells of the same write', () => {
    const steps = planWrite(cells, [
      put('c', '3', 'a', null),
      put('d', '4', 'c', null),
      put('e', '5', null, null)
    ]);
    expect(steps?.map(step => [step.do, 'at' in step ? step.at : null])).toEqual([
      ['insert', 1],
      ['insert', 2],
      ['insert', 0]
    ]);
  });

  it('puts a cell for the end below cells that the user added meanwhile', () => {
    const steps = planWrite(cells, [
      { ...put('c', '3', 'a', null), at_end: true } as Change,
      { ...put('d', '4', 'c', null), at_end: true } as Change
    ]);
    expect(steps?.map(step => 'at' in step && step.at)).toEqual([2, 3]);
  });

  it('never grants trust', () => {
    const [step] = planWrite(cells, [put('c', '3', 'a', null)]) ?? [];
    expect(step?.do === 'insert' && step.cell.metadata).toEqual({});
  });

  it('can be repeated', () => {
    expect(planWrite(cells, [put('a', '1', null, null)])?.map(step => step.do)).toEqual(['update']);
    expect(planWrite(cells, [put('a', '1', null, 'old')])?.map(step => step.do)).toEqual([
      'update'
    ]);
    expect(planWrite(cells, [{ change: 'remove_cell', cell: 'x', expects: '' }])).toEqual([]);
  });

  it.each<[string, Change]>([
    ['a text that was edited', put('a', 'new', null, 'old')],
    ['a cell that is there with another text', put('a', 'new', null, null)],
    ['a cell that was deleted', put('x', 'new', 'a', 'old')],
    ['a neighbour that was deleted', put('x', 'new', 'gone', null)],
    ['a removal of what was edited', { change: 'remove_cell', cell: 'a', expects: 'old' }]
  ])('plans nothing at %s', (_, change) => {
    expect(planWrite(cells, [put('c', '3', 'b', null), change])).toBeNull();
  });

  it('replaces the analysis’s own metadata, and adds the rest only where it is missing', () => {
    const metadata = { analyst_kernel: { version: 1, old: true }, kernelspec: { name: 'mine' } };
    const note = { values: { version: 2 }, defaults: { kernelspec: { name: 'x' }, more: {} } };
    expect(noted(metadata, note)).toEqual({
      analyst_kernel: { version: 2 },
      kernelspec: { name: 'mine' },
      more: {}
    });
  });
});

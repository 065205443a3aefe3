import { describe, expect, it } from 'vitest';
import type { AnalysisSummary } from '../../src/client/records';
import type { Event } from '../../src/protocol/generated';
import { compare } from '../../src/session/comparison';
import { changedRows } from '../../src/session/line-diff';
import { reduceAll } from '../../src/session/reducer';
import { emptyAnalysis, type AnalysisState, type IterationState } from '../../src/session/state';
import { countBelow, holds, treeOf, type TreeNode } from '../../src/session/tree';
import { FakeServer } from '../fakes/server';
import { recorded } from './recorded';

const events = recorded('repair');
const analysis = events[0]?.analysis ?? '';
const last = events.at(-1)?.number ?? 0;
const base = { analysis, run: null, at: 0 };

function after(...more: readonly Event[]): AnalysisState {
  return reduceAll(emptyAnalysis(analysis), [...events, ...more]);
}

const started: Event = {
  ...base,
  type: 'branch_started',
  number: last + 1,
  parent: 'p',
  parent_title: 'Mileage',
  cell: 'c',
  cells: 2
};

describe('a branch', () => {
  const advanced = (place: number, verdict: 'reproduced' | 'differs', detail = ''): Event => ({
    ...base,
    type: 'branch_advanced',
    number: last + 1 + place,
    cell: `c${String(place)}`,
    place,
    verdict,
    detail
  });
  const finished: Event = {
    ...base,
    type: 'branch_finished',
    number: last + 4,
    reproduced: 1,
    total: 2,
    reason: ''
  };

  it("knows which runs are its parent's, how far it is, and what differs", () => {
    const on = after(started, advanced(1, 'reproduced'));
    expect(on.branch).toMatchObject({ parent: 'p', runs: 1, cells: 2, place: 1, reproduced: null });
    const done = after(started, advanced(1, 'reproduced'), advanced(2, 'differs', '-1'), finished);
    expect(done.branch).toMatchObject({
      reproduced: 1,
      total: 2,
      troubles: [{ cell: 'c2', detail: '-1' }]
    });
  });

  it('is null without its first event', () => {
    expect(after({ ...finished, number: last + 1 }).branch).toBeNull();
  });
});

describe('the tree', () => {
  const server = new FakeServer();
  const add = (id: string, parent: string | null, created: number): AnalysisSummary => {
    server.add(id, [], { parent, created });
    const summary = server.summaries.get(id);
    if (summary === undefined) {
      throw new Error(id);
    }
    return summary;
  };
  const names = (nodes: readonly TreeNode[]): unknown =>
    nodes.map(node => [node.summary.id, names(node.branches)]);

  it('has branches below their parent, in the order they were made', () => {
    const all = [add('b', 'a', 3), add('a', null, 1), add('c', 'a', 2), add('d', 'c', 4)];
    const tree = treeOf(all);
    expect(names(tree)).toEqual([
      [
        'a',
        [
          ['c', [['d', []]]],
          ['b', []]
        ]
      ]
    ]);
    const [top] = tree;
    expect(top && countBelow(top)).toBe(3);
    expect(top && holds(top, 'd')).toBe(true);
    expect(top && holds(top, 'a')).toBe(false);
  });

  it('keeps an orphan and a circle of parents at the top', () => {
    const all = [add('x', 'gone', 1), add('y', 'z', 2), add('z', 'y', 3), add('s', 's', 4)];
    expect(names(treeOf(all))).toEqual([
      ['x', []],
      ['y', []],
      ['z', []],
      ['s', []]
    ]);
  });
});

describe('lines beside each other', () => {
  it.each([
    ['a\nb\nc', 'a\nx\nc'],
    ['', 'a'],
    ['a\nb', 'b\na'],
    ['same', 'same'],
    [Array(500).fill('x').join('\n'), 'x']
  ])('contain both texts', (before, now) => {
    const rows = changedRows(before, now);
    const side = (which: 'left' | 'right'): string =>
      rows
        .map(row => row[which])
        .filter(line => line !== null)
        .join('\n');
    expect([side('left'), side('right')]).toEqual([before, now]);
    expect(rows.every(row => row.same === (row.left !== null && row.left === row.right))).toBe(
      before.length < 600
    );
  });

  it('have no text for a missing side', () => {
    expect(changedRows(null, 'a')).toEqual([{ left: null, right: 'a', same: false }]);
  });
});

describe('two analyses', () => {
  const whole = after();
  const run = whole.runs[0];
  if (run === undefined) {
    throw new Error('no run');
  }

  it('have no differences if they are equal', () => {
    expect(compare(whole, whole).map(pair => pair.same)).toEqual([true]);
  });

  it('differ by cell, answer and question', () => {
    const cells = run.entries.filter(
      (entry): entry is IterationState => entry.kind === 'iteration'
    );
    const changed = { ...cells[0], cell: 'other', code: `${cells[0]?.code ?? ''}\nmore` };
    const other: AnalysisState = {
      ...whole,
      runs: [
        {
          ...run,
          answer: 'Else.',
          entries: run.entries.map(e => (e === cells[0] ? (changed as IterationState) : e))
        },
        { ...run, id: 'r2', question: 'More?', entries: [] }
      ]
    };
    const [first, second] = compare(whole, other);
    expect(first?.same).toBe(false);
    expect(first?.cells.filter(cell => !cell.same).map(cell => cell.right?.cell)).toEqual([
      'other'
    ]);
    expect(first?.cells.filter(cell => cell.same)).toHaveLength(cells.length - 1);
    expect(first?.cells.at(-1)?.rows.filter(row => !row.same)).toEqual([
      { left: null, right: 'more', same: false }
    ]);
    expect(first?.charts.left?.length).toBeGreaterThan(0);
    expect(second?.left).toBeNull();
    expect(second?.right?.question).toBe('More?');
  });
});

import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/protocol/generated';
import { chartGroups } from '../../src/session/charts';
import { findCell, iterationsOf } from '../../src/session/progress';
import { reduce, reduceAll } from '../../src/session/reducer';
import { emptyAnalysis, type AnalysisState } from '../../src/session/state';
import { recorded } from './recorded';

const events = recorded('repair');
const analysis = events[0]?.analysis ?? '';
const whole = reduceAll(emptyAnalysis(analysis), events);
const cells = whole.runs.flatMap(iterationsOf);
const drawn = cells.find(cell => whole.charts.some(chart => chart.cell === cell.cell));
const cell = cells.at(-1)?.cell ?? '';

type Body = Event extends infer E
  ? E extends Event
    ? Omit<E, 'analysis' | 'number' | 'at'>
    : never
  : never;

function then(state: AnalysisState, ...bodies: Body[]): AnalysisState {
  return bodies.reduce<AnalysisState>(
    (before, body) => reduce(before, { ...body, analysis, number: before.last + 1, at: 1 }),
    state
  );
}

function ran(code: string, id = cell): Body {
  return {
    type: 'cell_ran_by_hand',
    run: null,
    cell: id,
    code,
    outcome: 'ok',
    seconds: 0.5,
    execution_count: 40,
    outputs: [{ output_type: 'stream', name: 'stdout', text: 'by hand\n' }],
    error: null
  };
}

const verified: Body[] = [
  { type: 'verification_started', run: null, cells: 4 },
  { type: 'cell_verified', run: null, cell, verdict: 'reproduced', detail: '' },
  { type: 'verification_finished', run: null, reproduced: 4, total: 4, reason: '', stale: false }
];

describe('a cell run by hand', () => {
  it('has its new outputs, and keeps its iteration', () => {
    const code = findCell(whole, cell)?.code ?? '';
    const after = findCell(then(whole, ran(`# Step 1: what for\n${code}`)), cell);
    expect(after?.userChange).toBe('ran');
    expect(after?.code).toBe(code);
    expect(after?.outputs).toHaveLength(1);
    expect(after?.executionCount).toBe(40);
    expect(after?.purpose).toBe(findCell(whole, cell)?.purpose);
  });

  it('has the text that ran if it was edited', () => {
    const after = then(whole, ...verified, ran('x = 2'));
    expect(findCell(after, cell)).toMatchObject({ userChange: 'edited', code: 'x = 2' });
    expect(after.verification?.stale).toBe(true);
    // The edit is still the user's after a run from the panel.
    const again = then(after, {
      type: 'iteration_started',
      run: null,
      iteration: 1,
      cell,
      step: null,
      attempt: 1,
      language: 'python',
      purpose: '',
      code: 'x = 2'
    });
    expect(findCell(again, cell)?.userChange).toBe('edited');
  });

  it('loses its old charts', () => {
    expect(drawn).toBeDefined();
    const after = then(whole, ran(drawn?.code ?? '', drawn?.cell));
    expect(after.charts.some(chart => chart.cell === drawn?.cell)).toBe(false);
    expect(chartGroups(after)).toHaveLength(chartGroups(whole).length - 1);
  });

  it('changes nothing if the analysis does not contain it', () => {
    const after = then(whole, ran('1', 'elsewhere'));
    expect(after).toEqual({ ...whole, last: whole.last + 1 });
  });
});

describe('changes in the saved notebook', () => {
  it('mark the cells and make a verification stale', () => {
    const after = then(whole, ...verified, {
      type: 'hand_changes_noticed',
      run: 'r1',
      changes: [
        { cell, change: 'deleted', code: '' },
        { cell: cells[0]?.cell ?? '', change: 'edited', code: 'y = 1' },
        { cell: 'own', change: 'added', code: 'z' }
      ]
    });
    expect(findCell(after, cell)?.userChange).toBe('deleted');
    expect(findCell(after, cells[0]?.cell ?? '')).toMatchObject({
      userChange: 'edited',
      code: 'y = 1'
    });
    expect(after.verification).toMatchObject({ stale: true, reproduced: 4 });
  });

  it('keep a verification if cells only ran again', () => {
    const changes = [{ cell, change: 'ran' as const, code: '' }];
    const after = then(whole, ...verified, { type: 'hand_changes_noticed', run: 'r1', changes });
    expect(after.verification?.stale).toBe(false);
    expect(findCell(after, cell)?.userChange).toBe('ran');
  });
});

describe('a run that is undone', () => {
  const undone: Body = {
    type: 'run_undone',
    run: 'r1',
    removed: cells.map(one => one.cell),
    kept: ['own'],
    rolled_back: true
  };

  it('stays in the conversation as undone, without its charts', () => {
    const after = then(whole, ...verified, undone);
    expect(after.runs[0]?.undone).toEqual({ kept: 1, rolledBack: true });
    expect(after.charts).toEqual([]);
    expect(after.verification?.stale).toBe(true);
    expect(whole.runs[0]?.undone).toBeNull();
  });

  it('is the same when it is replayed', () => {
    const after = then(whole, undone);
    expect(reduce(after, { ...undone, analysis, number: after.last, at: 1 })).toBe(after);
  });
});

import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/protocol/generated';
import { reduceAll } from '../../src/session/reducer';
import { emptyAnalysis, type AnalysisState } from '../../src/session/state';
import finished from '../../../tests/protocol/examples/refresh_finished.json';
import noticed from '../../../tests/protocol/examples/data_changes_noticed.json';
import ran from '../../../tests/protocol/examples/cell_refreshed.json';
import started from '../../../tests/protocol/examples/refresh_started.json';
import begun from '../../../tests/protocol/examples/run_started.json';

const analysis = noticed.analysis;

/** Fold events, numbered in order, over an analysis with the runs r1, r2 and r3. */
function after(...events: readonly object[]): AnalysisState {
  const runs = ['r1', 'r2', 'r3'].map(run => ({ ...begun, analysis, run }));
  const all = [...runs, ...events].map((event, at) => ({ ...event, number: at + 1 }));
  return reduceAll(emptyAnalysis(analysis), all as unknown as Event[]);
}

describe('data that changed', () => {
  it('marks the answers that rest on it, and the newest event has all marks', () => {
    const [sentence] = noticed.changes.map(change => change.sentence);
    expect(after(noticed).runs.map(run => run.changedSince)).toEqual([sentence, sentence, '']);
    const gone = after(noticed, { ...noticed, changes: [] });
    expect(gone.runs.map(run => run.changedSince)).toEqual(['', '', '']);
  });

  it('counts the cells of a refresh, and keeps what came of it beside each answer', () => {
    expect(after(started, ran).refresh).toMatchObject({ running: true, cells: 4, place: 2 });
    const state = after(started, ran, finished);
    expect(state.refresh).toMatchObject({ running: false, problems: finished.problems });
    expect(state.runs.map(run => run.outcome?.found.summary ?? '')).toEqual([
      finished.answers[0]?.summary,
      '',
      ''
    ]);
  });

  it('keeps an earlier outcome when a refresh has none', () => {
    const state = after(started, finished, started, { ...finished, answers: [], reason: 'Full.' });
    expect(state.refresh?.reason).toBe('Full.');
    expect(state.runs[0]?.outcome?.found).toEqual(finished.answers[0]);
  });
});

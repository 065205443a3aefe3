import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/protocol/generated';
import { chartGroups } from '../../src/session/charts';
import { iterationsOf, repairCount, repairedBy } from '../../src/session/progress';
import { reduce, reduceAll } from '../../src/session/reducer';
import { emptyAnalysis } from '../../src/session/state';
import { recorded } from './recorded';

const STREAMS = new Set([
  'text_streamed',
  'thinking_streamed',
  'tool_input_streamed',
  'output_produced'
]);

function start(events: readonly Event[]): ReturnType<typeof emptyAnalysis> {
  return emptyAnalysis(events[0]?.analysis ?? '');
}

describe.each(['mileage', 'repair'] as const)('a recorded run (%s)', name => {
  const events = recorded(name);
  const whole = reduceAll(start(events), events);

  it('ends answered, with its cells, charts and numbers', () => {
    const run = whole.runs[0];
    expect(whole.runs).toHaveLength(1);
    expect(run?.status).toBe('answered');
    expect(run?.plan.every(step => step.status === 'done')).toBe(true);
    expect(run && iterationsOf(run).every(cell => cell.outcome !== 'running')).toBe(true);
    expect(run?.numbers.length).toBeGreaterThan(3);
    expect(whole.sandbox?.level).toBe('isolated');
    expect(whole.datasets[0]?.dataset.rows).toBe(33442);
    expect(chartGroups(whole)[0]?.versions[0]?.png).toMatch(/^iVBOR/);
    expect(whole.last).toBe(events.at(-1)?.number);
  });

  it('is the same when it is replayed on top of itself', () => {
    expect(reduceAll(whole, events)).toBe(whole);
    const doubled = events.flatMap(event => [event, event]);
    expect(reduceAll(start(events), doubled)).toEqual(whole);
  });

  it('is the same however it is cut, with the overlap of a reconnect', () => {
    for (let cut = 0; cut <= events.length; cut += 1) {
      const first = reduceAll(start(events), events.slice(0, cut));
      const overlap = Math.max(0, cut - 3);
      expect(reduceAll(first, events.slice(overlap))).toEqual(whole);
    }
  });

  it('never changes an earlier state', () => {
    let state = start(events);
    for (const event of events) {
      const copy = structuredClone(state);
      const next = reduce(state, event);
      expect(state).toEqual(copy);
      state = next;
    }
  });

  it('has the same cells, plan and answer without the streamed events', () => {
    const kept = events.filter(event => !STREAMS.has(event.type));
    const replayed = reduceAll(start(events), kept);
    const facts = (state: typeof whole): unknown => ({
      cells: state.runs.map(iterationsOf),
      runs: state.runs.map(({ entries: _, ...run }) => run),
      charts: chartGroups(state).map(group => group.versions.map(v => [v.title, v.png]))
    });
    expect(facts(replayed)).toEqual(facts(whole));
  });

  it('never contains a cell twice: as streamed code and as a cell', () => {
    let state = start(events);
    for (const event of events) {
      state = reduce(state, event);
      if (event.type === 'iteration_started') {
        const tools = state.runs.flatMap(run =>
          run.entries.flatMap(entry => (entry.kind === 'call' ? entry.tools : []))
        );
        expect(tools).toEqual([]);
      }
    }
  });
});

describe('the repair', () => {
  const events = recorded('repair');
  const run = reduceAll(start(events), events).runs[0];

  it('names the cell that it repairs', () => {
    if (run === undefined) {
      throw new Error('no run');
    }
    const cells = iterationsOf(run);
    const repair = cells.find(cell => cell.attempt === 2);
    expect(repairCount(run)).toBe(1);
    expect(repair && repairedBy(cells, repair)?.error?.name).toBe('KeyError');
  });
});

describe('reduce', () => {
  const base = { analysis: 'a', run: null, at: 1 };

  it('ignores events of other analyses and events that were not recorded', () => {
    const state = emptyAnalysis('a');
    const queue = { ...base, type: 'queue_changed' as const, questions: ['x'] };
    expect(reduce(state, { ...queue, number: 0 })).toBe(state);
    expect(reduce(state, { ...queue, number: 1, analysis: 'b' })).toBe(state);
    expect(reduce(state, { ...queue, number: 7 })).toMatchObject({ last: 7, queue: ['x'] });
  });

  it('keeps cells that the user runs outside a run', () => {
    const cell = 'c1';
    const state = reduceAll(emptyAnalysis('a'), [
      {
        ...base,
        number: 1,
        type: 'iteration_started',
        iteration: 0,
        cell,
        step: null,
        attempt: 1,
        language: 'python',
        purpose: '',
        code: 'print(1)'
      },
      out(2, 'a', false),
      out(3, 'b', true),
      { ...base, number: 4, type: 'outputs_cleared', cell },
      out(5, 'c', false)
    ]);
    expect(state.userCells[0]?.outputs).toEqual([
      { output_type: 'stream', name: 'stdout', text: 'c' }
    ]);

    function out(number: number, text: string, append: boolean): Event {
      const output = { output_type: 'stream', name: 'stdout', text } as const;
      return { ...base, number, type: 'output_produced', cell, index: 0, output, append };
    }
  });

  it('keeps the place of a chart that is drawn again, and drops one that is not', () => {
    const events = recorded('mileage');
    const before = reduceAll(start(events), events);
    const [chart] = before.charts;
    const finished = events.find(e => e.type === 'iteration_finished' && e.cell === chart?.cell);
    if (chart === undefined || finished?.type !== 'iteration_finished') {
      throw new Error('no chart');
    }
    const number = before.last + 1;
    const other = { ...chart, id: 'c99', cell: 'another' };
    const two = reduceAll(before, [
      { ...finished, type: 'chart_captured', number, chart: other },
      { ...finished, number: number + 1 },
      {
        ...finished,
        type: 'chart_captured',
        number: number + 2,
        chart: { ...chart, title: 'Anew' }
      }
    ]);
    expect(two.charts.map(({ id, title }) => [id, title])).toEqual([
      [chart.id, 'Anew'],
      ['c99', chart.title]
    ]);
    const none = reduce(two, { ...finished, number: number + 3, outputs: [] });
    expect(none.charts.map(({ id }) => id)).toEqual(['c99']);
  });

  it('voids what streamed of a call that is retried', () => {
    const [first] = recorded('repair');
    if (first?.type !== 'run_started') {
      throw new Error('no run');
    }
    const { analysis, run } = first;
    const about = { analysis, run, at: 5, call: 1 };
    const state = reduceAll(emptyAnalysis(analysis), [
      first,
      { ...about, number: 2, type: 'model_called' },
      { ...about, number: 3, type: 'text_streamed', text: 'half a sen' },
      { ...about, number: 4, type: 'model_retried', attempt: 2, of: 5, wait: 12, reason: 'Busy.' }
    ]);
    expect(state.runs[0]?.retry).toEqual({ attempt: 2, of: 5, wait: 12, at: 5, reason: 'Busy.' });
    expect(state.runs[0]?.entries).toMatchObject([{ kind: 'call', text: '' }]);
    const again = reduce(state, { ...about, number: 5, type: 'text_streamed', text: 'whole' });
    expect(again.runs[0]?.entries).toMatchObject([{ kind: 'call', text: 'whole' }]);
  });
});

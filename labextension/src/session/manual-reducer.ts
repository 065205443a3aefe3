/** Folds what the user did in the notebook itself, and what follows for a verification. Pure. */
import type { CellRanByHand, Event, HandChangesNoticed, RunUndone } from '../protocol/generated';
import { findCell } from './progress';
import type { AnalysisState, IterationState, VerificationState } from './state';

/** The events of the user's own changes. */
export type ManualEvent = CellRanByHand | HandChangesNoticed | RunUndone;

/** Return the analysis after `event`. */
export function reduceManual(state: AnalysisState, event: ManualEvent): AnalysisState {
  switch (event.type) {
    case 'cell_ran_by_hand': {
      const cell = findCell(state, event.cell);
      if (cell === null) {
        return state;
      }
      const other = !isText(cell, event.code);
      const next = inCell(state, event.cell, before => ({
        ...before,
        ...(other ? { code: event.code } : {}),
        userChange: other || before.userChange === 'edited' ? 'edited' : 'ran',
        outcome: event.outcome,
        seconds: event.seconds,
        executionCount: event.execution_count,
        outputs: event.outputs,
        error: event.error
      }));
      // The charts of the new outputs follow as events of their own.
      const charts = state.charts.filter(chart => chart.cell !== event.cell);
      return other ? markStale({ ...next, charts }) : { ...next, charts };
    }
    case 'hand_changes_noticed': {
      let next = state;
      for (const { cell, change, code } of event.changes) {
        next = inCell(next, cell, before => {
          switch (change) {
            case 'edited':
            case 'added':
              return { ...before, code, userChange: 'edited' };
            case 'deleted':
              return { ...before, userChange: 'deleted' };
            case 'ran':
              return { ...before, userChange: before.userChange ?? 'ran' };
            default: {
              const rest: never = change;
              throw new Error(`Unknown change ${String(rest)}`);
            }
          }
        });
      }
      return event.changes.some(({ change }) => change !== 'ran') ? markStale(next) : next;
    }
    case 'run_undone': {
      const gone = new Set<string>(event.removed);
      return markStale({
        ...state,
        charts: state.charts.filter(chart => !gone.has(chart.cell)),
        runs: state.runs.map(run =>
          run.id === event.run
            ? { ...run, undone: { kept: event.kept.length, rolledBack: event.rolled_back } }
            : run
        )
      });
    }
    default: {
      const rest: never = event;
      throw new Error(`Unknown event ${JSON.stringify(rest)}`);
    }
  }
}

/** Return the analysis when a cell begins: new code makes an earlier verification stale. */
export function staleAfter(
  state: AnalysisState,
  event: Extract<Event, { type: 'iteration_started' }>
): AnalysisState {
  const known = findCell(state, event.cell);
  return known !== null && isText(known, event.code) ? state : markStale(state);
}

/** Return a verification before its first cell. */
export function verifying(total: number): VerificationState {
  return { total, cells: {}, reproduced: null, reason: '', stale: false };
}

function markStale(state: AnalysisState): AnalysisState {
  const { verification } = state;
  return verification === null || verification.stale || verification.reproduced === null
    ? state
    : { ...state, verification: { ...verification, stale: true } };
}

/** Return whether `source` is the cell's code, with or without the comment of its purpose above. */
function isText(cell: IterationState, source: string): boolean {
  const below = source.slice(source.indexOf('\n') + 1);
  const labelled = source.startsWith('#') && below === cell.code;
  return source === cell.code || labelled;
}

function inCell(
  state: AnalysisState,
  cell: string,
  change: (before: IterationState) => IterationState
): AnalysisState {
  if (findCell(state, cell) === null) {
    return state;
  }
  return {
    ...state,
    runs: state.runs.map(run =>
      run.entries.some(entry => entry.kind === 'iteration' && entry.cell === cell)
        ? {
            ...run,
            entries: run.entries.map(entry =>
              entry.kind === 'iteration' && entry.cell === cell ? change(entry) : entry
            )
          }
        : run
    ),
    userCells: state.userCells.map(entry => (entry.cell === cell ? change(entry) : entry))
  };
}

/** Folds what is known of data that changed, and of answers that were computed again. Pure. */
import type { Event } from '../protocol/generated';
import type { AnalysisState } from './state';

/** The events of changes of the data. */
export type FreshnessEvent = Extract<
  Event,
  {
    type: 'data_changes_noticed' | 'refresh_started' | 'cell_refreshed' | 'refresh_finished';
  }
>;

/** Return the analysis after `event`. */
export function reduceFreshness(state: AnalysisState, event: FreshnessEvent): AnalysisState {
  switch (event.type) {
    case 'data_changes_noticed':
      return {
        ...state,
        runs: state.runs.map(run => {
          const mine = event.changes.filter(change => change.runs.includes(run.id));
          const changedSince = mine.map(change => change.sentence).join(' ');
          return changedSince === run.changedSince ? run : { ...run, changedSince };
        })
      };
    case 'refresh_started':
      return {
        ...state,
        refresh: { cells: event.cells, place: 0, running: true, reason: '', problems: [] }
      };
    case 'cell_refreshed':
      return state.refresh === null
        ? state
        : { ...state, refresh: { ...state.refresh, place: event.place } };
    case 'refresh_finished': {
      const found = new Map(event.answers.map(answer => [answer.run, answer]));
      return {
        ...state,
        refresh: {
          cells: state.refresh?.cells ?? 0,
          place: state.refresh?.place ?? 0,
          running: false,
          reason: event.reason,
          problems: event.problems
        },
        runs: state.runs.map(run => {
          const outcome = found.get(run.id);
          return outcome === undefined
            ? run
            : { ...run, outcome: { found: outcome, at: event.at } };
        })
      };
    }
    default: {
      const rest: never = event;
      throw new Error(`Unknown event ${JSON.stringify(rest)}`);
    }
  }
}

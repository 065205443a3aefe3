/**
 * Folds the events of an analysis into its state. Pure; replaying an event changes nothing.
 *
 * Runs and cells have modules of their own; this module routes each event to its part.
 */
import type {
  BranchAdvanced,
  BranchFinished,
  BranchStarted,
  ChartRecord,
  Event,
  IterationFinished
} from '../protocol/generated';
import { reduceCells, type CellEvent } from './cell-reducer';
import { reduceFreshness } from './freshness-reducer';
import { staleAfter, reduceManual, verifying } from './manual-reducer';
import { reduceRun, startRun, type RunEvent } from './run-reducer';
import {
  packagesOf,
  connectionsOf,
  privacyOf,
  type AnalysisState,
  type BranchState,
  type NoticeState,
  type RunState
} from './state';

/** Return the state after `event`; the same object if it contains the event already. */
export function reduce(state: AnalysisState, event: Event): AnalysisState {
  if (event.analysis !== state.analysis || event.number <= state.last) {
    return state;
  }
  return { ...apply(state, event), last: event.number };
}

/** Return the state after all of `events`. */
export function reduceAll(state: AnalysisState, events: Iterable<Event>): AnalysisState {
  let next = state;
  for (const event of events) {
    next = reduce(next, event);
  }
  return next;
}

function apply(state: AnalysisState, event: Event): AnalysisState {
  switch (event.type) {
    case 'run_started':
      return startRun(state, event);
    case 'kernel_changed':
      return {
        ...state,
        kernel: {
          state: event.state,
          reason: event.reason,
          versions: Object.keys(event.versions).length ? event.versions : state.kernel.versions
        },
        sandbox: event.sandbox ?? state.sandbox
      };
    case 'dataset_profiled': {
      const others = state.datasets.filter(d => d.dataset.name !== event.profile.dataset.name);
      const known = others.length < state.datasets.length;
      return {
        ...state,
        datasets: known
          ? state.datasets.map(d =>
              d.dataset.name === event.profile.dataset.name ? event.profile : d
            )
          : [...others, event.profile]
      };
    }
    case 'dataset_detached':
      return { ...state, datasets: state.datasets.filter(d => d.dataset.name !== event.name) };
    case 'reading_changed':
      return {
        ...state,
        runs: state.runs.map(run =>
          event.runs.includes(run.id) ? { ...run, readSince: event.sentence } : run
        )
      };
    case 'data_changes_noticed':
    case 'refresh_started':
    case 'cell_refreshed':
    case 'refresh_finished':
      return reduceFreshness(state, event);
    case 'queue_changed':
      return { ...state, queue: event.questions };
    case 'ledger_changed':
      return { ...state, definitions: event.definitions, states: event.states };
    case 'analysis_configured':
      return {
        ...state,
        title: event.title,
        notebook: event.notebook,
        model: event.model,
        isAi: event.is_ai,
        approval: event.approval,
        budget: event.budget_usd,
        analysisBudget: event.analysis_budget_usd,
        privacy: privacyOf(event),
        packages: packagesOf(event),
        connections: connectionsOf(event)
      };
    case 'usage_counted':
      return {
        ...inRun(state, event),
        spent: {
          analysis: event.analysis_usage,
          today: event.day_usage,
          day: event.day,
          number: event.number
        }
      };
    case 'notebook_saved':
      return { ...state, notebook: event.path };
    case 'chart_captured': {
      const known = state.charts.some(chart => chart.id === event.chart.id);
      return {
        ...state,
        charts: known
          ? state.charts.map(chart => (chart.id === event.chart.id ? event.chart : chart))
          : [...state.charts, event.chart]
      };
    }
    case 'verification_started':
      return {
        ...state,
        verification: verifying(event.cells)
      };
    case 'cell_verified': {
      const before = state.verification ?? verifying(0);
      const { verdict, detail } = event;
      return {
        ...state,
        verification: { ...before, cells: { ...before.cells, [event.cell]: { verdict, detail } } }
      };
    }
    case 'verification_finished':
      return {
        ...state,
        verification: {
          total: event.total,
          cells: state.verification?.cells ?? {},
          reproduced: event.reproduced,
          reason: event.reason,
          stale: event.stale
        }
      };
    case 'branch_started':
    case 'branch_advanced':
    case 'branch_finished':
      return { ...state, branch: reduceBranch(state, event) };
    case 'notice_raised':
      return event.run !== null && hasRun(state, event.run)
        ? inRun(state, event)
        : { ...state, notices: [...state.notices, noticeOf(event)] };
    case 'iteration_started':
      return inCells(staleAfter(state, event), event);
    case 'cell_ran_by_hand':
    case 'hand_changes_noticed':
    case 'run_undone':
      return reduceManual(state, event);
    case 'output_produced':
    case 'outputs_cleared':
      return inCells(state, event);
    case 'iteration_finished':
      return inCells({ ...state, charts: stillDrawn(state.charts, event) }, event);
    case 'plan_updated':
    case 'model_called':
    case 'text_streamed':
    case 'thinking_streamed':
    case 'tool_input_streamed':
    case 'model_retried':
    case 'model_replied':
    case 'finding_recorded':
    case 'definition_recorded':
    case 'state_named':
    case 'user_asked':
    case 'user_answered':
    case 'approval_requested':
    case 'approval_decided':
    case 'plan_approval_requested':
    case 'plan_approved':
    case 'numbers_checked':
    case 'run_finished':
      return inRun(state, event);
    default: {
      const rest: never = event;
      throw new Error(`Unknown event ${JSON.stringify(rest)}`);
    }
  }
}

/** Return the charts without those that a repeated cell no longer draws. */
function stillDrawn(
  charts: AnalysisState['charts'],
  { cell, outputs }: IterationFinished
): AnalysisState['charts'] {
  const lost = (chart: ChartRecord): boolean => {
    const kind = outputs[chart.output]?.output_type;
    return chart.cell === cell && kind !== 'display_data' && kind !== 'execute_result';
  };
  return charts.some(lost) ? charts.filter(chart => !lost(chart)) : charts;
}

function hasRun(state: AnalysisState, id: string): boolean {
  return state.runs.some(run => run.id === id);
}

/** Change the run that the event belongs to. */
function inRun(state: AnalysisState, event: RunEvent): AnalysisState {
  return { ...state, runs: changed(state.runs, event.run, run => reduceRun(run, event)) };
}

/**
 * Change a cell where it is: in the run that contains it (a repetition has no run of its own), in
 * the event's run, or among the user's own cells.
 */
function inCells(state: AnalysisState, event: CellEvent): AnalysisState {
  const has = (run: RunState): boolean =>
    run.entries.some(entry => entry.kind === 'iteration' && entry.cell === event.cell);
  const owner = state.runs.find(has) ?? state.runs.find(run => run.id === event.run);
  if (owner !== undefined) {
    return { ...state, runs: changed(state.runs, owner.id, run => reduceRun(run, event)) };
  }
  return { ...state, userCells: reduceCells(state.userCells, event) };
}

function changed(
  runs: readonly RunState[],
  id: string | null,
  change: (run: RunState) => RunState
): readonly RunState[] {
  return runs.map(run => (run.id === id ? change(run) : run));
}

function noticeOf(event: Event & { type: 'notice_raised' }): NoticeState {
  const { number, level, code, message } = event;
  return { kind: 'notice', number, level, code, message };
}

/** The events that only a branch has. */
export type BranchEvent = BranchStarted | BranchAdvanced | BranchFinished;

/** Return the branch after `event`; `null` if no event of its start has arrived. */
export function reduceBranch(state: AnalysisState, event: BranchEvent): BranchState | null {
  const { branch } = state;
  switch (event.type) {
    case 'branch_started':
      return {
        parent: event.parent,
        parentTitle: event.parent_title,
        cell: event.cell,
        runs: state.runs.length,
        cells: event.cells,
        place: 0,
        troubles: [],
        reproduced: null,
        total: event.cells,
        reason: ''
      };
    case 'branch_advanced': {
      const { cell, detail, place, verdict } = event;
      const troubled = verdict === 'differs' || verdict === 'error';
      return (
        branch && {
          ...branch,
          place,
          troubles: troubled ? [...branch.troubles, { cell, detail }] : branch.troubles
        }
      );
    }
    case 'branch_finished': {
      const { reproduced, total, reason } = event;
      return branch && { ...branch, reproduced, total, reason };
    }
    default: {
      const rest: never = event;
      throw new Error(`Unknown event ${JSON.stringify(rest)}`);
    }
  }
}

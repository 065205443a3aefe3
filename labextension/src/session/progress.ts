/** Derives from a run how far it is, what waits, and which cell repairs which. Pure. */
import type {
  AnalysisState,
  ApprovalState,
  AskState,
  IterationState,
  PlanApprovalState,
  RunState
} from './state';
import { codeOf } from './streamed-code';

/** Return the cells of a run, in order. */
export function iterationsOf(run: RunState): readonly IterationState[] {
  return run.entries.filter(entry => entry.kind === 'iteration');
}

/** Return the running run, if any. */
export function activeRun(state: AnalysisState): RunState | null {
  return state.runs.find(run => run.status === 'running') ?? null;
}

/** Return what the run waits for the user to decide, the newest if several. */
export function waitingFor(run: RunState): AskState | ApprovalState | PlanApprovalState | null {
  if (run.status !== 'running') {
    return null;
  }
  for (const entry of [...run.entries].reverse()) {
    const open =
      (entry.kind === 'ask' && entry.answer === null) ||
      (entry.kind === 'approval' && entry.decision === null) ||
      (entry.kind === 'plan' && !entry.approved);
    if (open) {
      return entry;
    }
  }
  return null;
}

/** Return the failed cell that `cell` repairs: the last before it in the same step. */
export function repairedBy(
  iterations: readonly IterationState[],
  cell: IterationState
): IterationState | null {
  if (cell.attempt <= 1) {
    return null;
  }
  const before = iterations.slice(0, iterations.indexOf(cell)).reverse();
  return before.find(other => other.step === cell.step && failed(other)) ?? null;
}

/** Return the last cell if it failed and the run goes on: it is being repaired. */
export function underRepair(run: RunState): IterationState | null {
  const last = iterationsOf(run).at(-1);
  return run.status === 'running' && last !== undefined && failed(last) ? last : null;
}

/** Return whether code is being streamed that is not a cell yet. */
export function isWriting(run: RunState): boolean {
  return run.entries.some(
    entry => entry.kind === 'call' && entry.tools.some(tool => codeOf(tool) !== null)
  );
}

/** Return whether a cell ended without its result. */
export function failed(cell: IterationState): boolean {
  return cell.outcome === 'error' || cell.outcome === 'timeout';
}

/** Return how many cells of a run repair another cell. */
export function repairCount(run: RunState): number {
  return iterationsOf(run).filter(cell => cell.attempt > 1).length;
}

/** Return the number of the current step, from 1; 0 before the first. */
export function currentStep(run: RunState): number {
  const doing = run.plan.find(step => step.status === 'doing');
  if (doing !== undefined) {
    return doing.number;
  }
  return run.plan.filter(step => step.status === 'done').length;
}

/** Return the iteration with this cell id, in a run or among the user's own cells. */
export function findCell(state: AnalysisState, cell: string): IterationState | null {
  for (const run of state.runs) {
    const found = iterationsOf(run).find(iteration => iteration.cell === cell);
    if (found !== undefined) {
      return found;
    }
  }
  return state.userCells.find(iteration => iteration.cell === cell) ?? null;
}

/**
 * Return the cell with a number, as an answer of `run` cites it, or `null`.
 *
 * Notebooks of earlier versions count again from 1 in each run, so the run's own cells come first.
 */
export function cellNumbered(
  state: AnalysisState,
  run: RunState,
  number: number
): IterationState | null {
  for (const one of [run, ...[...state.runs].reverse()]) {
    const found = iterationsOf(one).find(cell => cell.iteration === number);
    if (found !== undefined) {
      return found;
    }
  }
  return null;
}

/** Return the input tokens of a run, cached or not. */
export function tokensIn(run: RunState): number {
  const { input_tokens, cached_tokens, cache_write_tokens } = run.usage;
  return input_tokens + cached_tokens + cache_write_tokens;
}

/** Return the seconds until the model is called again; 0 when that is due. */
export function retryIn(run: RunState, now: number): number {
  const { retry } = run;
  return retry === null ? 0 : Math.max(0, Math.ceil(retry.at + retry.wait - now));
}

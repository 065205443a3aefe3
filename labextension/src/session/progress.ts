/** What is read off a run: how far it is, what waits, which cell repairs which. Pure. */
import type {
  AnalysisState,
  ApprovalState,
  AskState,
  IterationState,
  PlanApprovalState,
  RunState
} from './state';
import { codeOf } from './streamed-code';

/** The cells of a run, in order. */
export function iterationsOf(run: RunState): readonly IterationState[] {
  return run.entries.filter(entry => entry.kind === 'iteration');
}

/** The run at work, if any. */
export function activeRun(state: AnalysisState): RunState | null {
  return state.runs.find(run => run.status === 'running') ?? null;
}

/** What the run waits for the person to say; the newest first. */
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

/** The failed cell that `cell` repairs: the one before it in the same step. */
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

/** The last cell, where it failed and nothing has followed: what is being repaired right now. */
export function underRepair(run: RunState): IterationState | null {
  const last = iterationsOf(run).at(-1);
  return run.status === 'running' && last !== undefined && failed(last) ? last : null;
}

/** Whether code is being written that is not yet a cell. */
export function isWriting(run: RunState): boolean {
  return run.entries.some(
    entry => entry.kind === 'call' && entry.tools.some(tool => codeOf(tool) !== null)
  );
}

/** Whether a cell ended without its result. */
export function failed(cell: IterationState): boolean {
  return cell.outcome === 'error' || cell.outcome === 'timeout';
}

/** How many of a run's cells repair another one. */
export function repairCount(run: RunState): number {
  return iterationsOf(run).filter(cell => cell.attempt > 1).length;
}

/** The number of the step at work, from 1; 0 before the first. */
export function currentStep(run: RunState): number {
  const doing = run.plan.find(step => step.status === 'doing');
  if (doing !== undefined) {
    return doing.number;
  }
  return run.plan.filter(step => step.status === 'done').length;
}

/** The iteration of the analysis that is this cell. */
export function findCell(state: AnalysisState, cell: string): IterationState | null {
  for (const run of state.runs) {
    const found = iterationsOf(run).find(iteration => iteration.cell === cell);
    if (found !== undefined) {
      return found;
    }
  }
  return state.userCells.find(iteration => iteration.cell === cell) ?? null;
}

/** Tokens that a run took in, from the cache or not. */
export function tokensIn(run: RunState): number {
  const { input_tokens, cached_tokens, cache_write_tokens } = run.usage;
  return input_tokens + cached_tokens + cache_write_tokens;
}

/** The seconds that an answerable failure leaves until the next try; 0 when it is due. */
export function retryIn(run: RunState, now: number): number {
  const { retry } = run;
  return retry === null ? 0 : Math.max(0, Math.ceil(retry.at + retry.wait - now));
}

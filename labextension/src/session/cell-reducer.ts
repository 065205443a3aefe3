/** Folds the events of cells: code, outputs as they stream, and how it ended. Pure. */
import type {
  IterationFinished,
  IterationStarted,
  OutputProduced,
  OutputsCleared
} from '../protocol/generated';
import type { IterationState, Output } from './state';

/** The events that concern one cell. */
export type CellEvent = IterationStarted | OutputProduced | OutputsCleared | IterationFinished;

/** Return the cells after `event`. Other kinds of entries stay as they are. */
export function reduceCells<T extends { readonly kind: string }>(
  entries: readonly (T | IterationState)[],
  event: CellEvent
): readonly (T | IterationState)[] {
  switch (event.type) {
    case 'iteration_started': {
      const started = startedCell(event);
      const known = entries.some(entry => isCell(entry, event.cell));
      return known
        ? entries.map(entry => (isCell(entry, event.cell) ? again(entry, started) : entry))
        : [...entries, started];
    }
    case 'output_produced':
      return changeCell(entries, event.cell, cell => ({
        ...cell,
        outputs: withOutput(cell.outputs, event)
      }));
    case 'outputs_cleared':
      return changeCell(entries, event.cell, cell => ({ ...cell, outputs: [] }));
    case 'iteration_finished':
      return changeCell(entries, event.cell, cell => ({
        ...cell,
        outcome: event.outcome,
        seconds: event.seconds,
        executionCount: event.execution_count,
        outputs: event.outputs,
        error: event.error,
        frames: event.frames,
        lineage: event.lineage,
        hints: event.hints
      }));
    default: {
      const rest: never = event;
      throw new Error(`Unknown event ${JSON.stringify(rest)}`);
    }
  }
}

function isCell(entry: { readonly kind: string }, cell: string): entry is IterationState {
  return entry.kind === 'iteration' && (entry as IterationState).cell === cell;
}

function changeCell<T extends { readonly kind: string }>(
  entries: readonly (T | IterationState)[],
  cell: string,
  change: (cell: IterationState) => IterationState
): readonly (T | IterationState)[] {
  return entries.map(entry => (isCell(entry, cell) ? change(entry) : entry));
}

/** A cell that runs again keeps its iteration, step, attempt and purpose. */
function again(before: IterationState, started: IterationState): IterationState {
  const { iteration, step, attempt, purpose, language } = before;
  const userChange = before.userChange === 'ran' ? null : before.userChange;
  return { ...started, iteration, step, attempt, purpose, language, userChange };
}

function startedCell(event: IterationStarted): IterationState {
  return {
    kind: 'iteration',
    cell: event.cell,
    iteration: event.iteration,
    step: event.step,
    attempt: event.attempt,
    language: event.language,
    purpose: event.purpose,
    code: event.code,
    startedAt: event.at,
    outcome: 'running',
    seconds: 0,
    executionCount: null,
    outputs: [],
    error: null,
    frames: [],
    lineage: '',
    hints: [],
    userChange: null
  };
}

/** Return the outputs with one more. Text that continues a stream is appended to it. */
function withOutput(outputs: readonly Output[], event: OutputProduced): readonly Output[] {
  const { index, output, append } = event;
  const before = outputs[index];
  if (before === undefined) {
    return [...outputs, output];
  }
  const joined: Output =
    append && before.output_type === 'stream' && output.output_type === 'stream'
      ? { ...before, text: before.text + output.text }
      : output;
  return outputs.map((existing, position) => (position === index ? joined : existing));
}

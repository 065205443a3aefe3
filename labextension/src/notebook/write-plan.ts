/**
 * Plans what a write of the server does to the notebook of this tab: all of its changes, or none
 * if the user has changed what it expects. Pure.
 */
import type { WriteNotebookFrame } from '../protocol/generated';
import type { CellJson, JsonObject } from '../protocol/live';
import { KEY, readCell, withoutTrust } from './document';

/** One change of the wire. */
export type Change = WriteNotebookFrame['changes'][number];

/** What a plan needs of a cell of the tab. */
export interface CellView {
  readonly id: string;
  readonly cell_type: string;
  readonly source: string;
}

/** One step of a plan. Each `at` is a position after the steps before it. */
export type Step =
  | { readonly do: 'insert'; readonly at: number; readonly cell: CellJson }
  | { readonly do: 'update'; readonly at: number; readonly cell: CellJson }
  | { readonly do: 'remove'; readonly at: number }
  | { readonly do: 'note'; readonly values: JsonObject; readonly defaults: JsonObject };

/**
 * Plan a write.
 *
 * @param cells - The notebook's cells now.
 * @returns The steps, or `null` if anything is not as the write expects it.
 */
export function planWrite(
  cells: readonly CellView[],
  changes: readonly Change[]
): readonly Step[] | null {
  const now = [...cells];
  const steps: Step[] = [];
  for (const change of changes) {
    const step = plan(now, change);
    if (step === null) {
      return null;
    }
    if (step !== 'done') {
      follow(now, step);
      steps.push(step);
    }
  }
  return steps;
}

function plan(now: readonly CellView[], change: Change): Step | 'done' | null {
  switch (change.change) {
    case 'put_cell': {
      const given = readCell(change.cell);
      const cell = { ...given, metadata: withoutTrust(given.metadata) };
      const at = now.findIndex(one => one.id === cell.id);
      const there = now[at];
      if (there !== undefined) {
        const same = there.source === cell.source && there.cell_type === cell.cell_type;
        return same || there.source === change.expects ? { do: 'update', at, cell } : null;
      }
      if (change.expects !== null) {
        return null;
      }
      if (change.after === null) {
        return { do: 'insert', at: 0, cell };
      }
      const before = now.findIndex(one => one.id === change.after);
      if (before < 0) {
        return null;
      }
      return { do: 'insert', at: change.at_end ? now.length : before + 1, cell };
    }
    case 'remove_cell': {
      const at = now.findIndex(one => one.id === change.cell);
      if (at < 0) {
        return 'done';
      }
      return now[at]?.source === change.expects ? { do: 'remove', at } : null;
    }
    case 'set_metadata':
      return { do: 'note', values: change.values, defaults: change.defaults };
    default: {
      const rest: never = change;
      throw new Error(`Unknown change ${JSON.stringify(rest)}`);
    }
  }
}

/** Apply a step to the list of cells. */
function follow(now: CellView[], step: Step): void {
  switch (step.do) {
    case 'insert':
      now.splice(step.at, 0, step.cell);
      break;
    case 'update':
      now[step.at] = step.cell;
      break;
    case 'remove':
      now.splice(step.at, 1);
      break;
    case 'note':
      break;
    default: {
      const rest: never = step;
      throw new Error(`Unknown step ${JSON.stringify(rest)}`);
    }
  }
}

/** Return the notebook's metadata after a step `note`. */
export function noted(
  metadata: JsonObject,
  { values, defaults }: { readonly values: JsonObject; readonly defaults: JsonObject }
): JsonObject {
  return { ...defaults, ...metadata, [KEY]: values };
}

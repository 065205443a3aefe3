/**
 * Reads and changes the model of an open notebook as data. Only what differs is changed, so that
 * the cursor, the scroll position, running cells and the undo history are kept.
 */
import type { ICellModel } from '@jupyterlab/cells';
import type * as nbformat from '@jupyterlab/nbformat';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { PartialJSONObject } from '@lumino/coreutils';
import type { CellJson, JsonObject, NotebookJson } from '../protocol/live';
import { readCell, readDocument, same, withoutTrust } from './document';
import { noted, type CellView, type Step } from './write-plan';

type SharedCell = ReturnType<INotebookModel['sharedModel']['getCell']>;
type SharedCodeCell = Extract<SharedCell, { readonly cell_type: 'code' }>;

/** Return the notebook of the model, saved or not. */
export function documentOf({ sharedModel }: INotebookModel): NotebookJson {
  // The model's own `toJSON` adds metadata, which makes a clean notebook dirty.
  return readDocument(sharedModel.toJSON());
}

/** Return what a plan needs of the cells, without copying any output. */
export function viewOf(model: INotebookModel): readonly CellView[] {
  return model.sharedModel.cells.map(cell => ({
    id: cell.getId(),
    cell_type: cell.cell_type,
    source: cell.getSource()
  }));
}

/** Return the running cells that the user started; a run of the server is not among them. */
export function runningCells(model: INotebookModel): ReadonlySet<string> {
  const found = new Set<string>();
  for (const cell of model.sharedModel.cells) {
    if (isCode(cell) && cell.executionState === 'running') {
      found.add(cell.getId());
    }
  }
  return found;
}

/**
 * Apply the steps of a plan as one undo step; changed outputs alone make none.
 *
 * @param metadata - Returns the new metadata of a cell, from its id, its present metadata and
 *   the metadata of the step.
 */
export function applySteps(
  model: INotebookModel,
  steps: readonly Step[],
  metadata: (id: string, there: JsonObject, put: JsonObject) => JsonObject
): void {
  const running = runningCells(model);
  const undoable = steps.some(step => step.do === 'insert' || step.do === 'remove');
  transact(model, undoable, cells => {
    for (const step of steps) {
      switch (step.do) {
        case 'insert':
          cells.insert(step.at, step.cell);
          break;
        case 'update': {
          const { id } = step.cell;
          const there = asJson(cells.at(step.at).getMetadata());
          const put = { ...step.cell, metadata: metadata(id, there, step.cell.metadata) };
          cells.update(step.at, put, running.has(id));
          break;
        }
        case 'remove':
          cells.remove(step.at);
          break;
        case 'note':
          setNotebook(model, noted(asJson(model.sharedModel.metadata), step));
          break;
        default: {
          const rest: never = step;
          throw new Error(`Unknown step ${JSON.stringify(rest)}`);
        }
      }
    }
  });
}

/** Make the model equal to `target`, without an undo step; earlier undo steps are kept. */
export function applyDocument(model: INotebookModel, target: NotebookJson): void {
  transact(model, false, cells => {
    const wanted = new Set(target.cells.map(cell => cell.id));
    for (let at = cells.length - 1; at >= 0; at -= 1) {
      if (!wanted.has(cells.at(at).getId())) {
        cells.remove(at);
      }
    }
    target.cells.forEach((cell, at) => {
      const found = cells.find(cell.id);
      if (found === at) {
        cells.update(at, cell, false);
        return;
      }
      if (found >= 0) {
        cells.remove(found);
      }
      cells.insert(at, cell);
    });
    if (target.cells.length === 0) {
      cells.insert(0, readCell({ cell_type: 'code' }));
    }
    setNotebook(model, target.metadata);
  });
}

/**
 * The cells during one transaction, until whose end the shared model's own list is out of date.
 * So this list is updated along with it.
 */
class Cells {
  private readonly now: SharedCell[];
  private readonly models: ReadonlyMap<string, ICellModel>;

  constructor(private readonly model: INotebookModel) {
    this.now = [...model.sharedModel.cells];
    this.models = new Map([...model.cells].map(cell => [cell.id, cell]));
  }

  get length(): number {
    return this.now.length;
  }

  at(place: number): SharedCell {
    const found = this.now[place];
    if (found === undefined) {
      throw new RangeError(`There is no cell ${String(place)}.`);
    }
    return found;
  }

  /** Return the position of a cell, or -1. */
  find(id: string): number {
    return this.now.findIndex(cell => cell.getId() === id);
  }

  insert(at: number, cell: CellJson): void {
    const made = this.model.sharedModel.insertCell(at, copy(cell));
    this.now.splice(at, 0, made);
  }

  remove(at: number): void {
    this.model.sharedModel.deleteCell(at);
    this.now.splice(at, 1);
  }

  /** Make a cell equal to `cell`, part by part. */
  update(at: number, cell: CellJson, keepOutputs: boolean): void {
    const there = this.at(at);
    if (there.cell_type !== cell.cell_type) {
      this.remove(at);
      this.insert(at, cell);
      return;
    }
    if (there.getSource() !== cell.source) {
      setText(there, cell.source);
    }
    const now = readCell(asJson(there.toJSON()));
    if (isCode(there) && !keepOutputs) {
      if (!same(now.outputs, cell.outputs ?? [])) {
        this.trust(there, cell.metadata.trusted === true);
        there.setOutputs(copy(cell.outputs ?? []) as unknown as nbformat.IOutput[]);
      }
      there.execution_count = cell.execution_count ?? null;
    }
    if ('setAttachments' in there && !same(now.attachments, cell.attachments)) {
      there.setAttachments(cell.attachments as unknown as nbformat.IAttachments | undefined);
    }
    setCellMetadata(there, withoutTrust(cell.metadata));
  }

  /** Trust new outputs as the file does, not as the outputs before. */
  private trust(cell: SharedCodeCell, trusted: boolean): void {
    const model = this.models.get(cell.getId());
    if (model !== undefined) {
      model.trusted = trusted;
    }
    if (!trusted) {
      cell.deleteMetadata('trusted');
    }
  }
}

/** Make one change, as an undo step of its own or without an undo step. */
function transact(model: INotebookModel, undoable: boolean, change: (cells: Cells) => void): void {
  const { sharedModel } = model;
  // The undo manager joins changes within half a second, those of the user too.
  const manager = 'undoManager' in sharedModel ? sharedModel.undoManager : null;
  const cut = (): void => {
    if (undoable && isUndoManager(manager)) {
      manager.stopCapturing();
    }
  };
  cut();
  sharedModel.transact(() => {
    change(new Cells(model));
  }, undoable);
  cut();
}

/** Replace only the part of a text that differs, so that a cursor elsewhere stays. */
function setText(cell: SharedCell, text: string): void {
  const old = cell.getSource();
  let start = 0;
  while (start < old.length && start < text.length && old[start] === text[start]) {
    start += 1;
  }
  let [end, to] = [old.length, text.length];
  while (end > start && to > start && old[end - 1] === text[to - 1]) {
    end -= 1;
    to -= 1;
  }
  cell.updateSource(start, end, text.slice(start, to));
}

function setCellMetadata(cell: SharedCell, metadata: JsonObject): void {
  const now = withoutTrust(asJson(cell.getMetadata()));
  for (const key of Object.keys(now)) {
    if (!(key in metadata)) {
      cell.deleteMetadata(key);
    }
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (!same(now[key], value)) {
      cell.setMetadata(key, copy(value));
    }
  }
}

function setNotebook({ sharedModel }: INotebookModel, metadata: JsonObject): void {
  const now = asJson(sharedModel.metadata);
  for (const key of Object.keys(now)) {
    // The model itself always sets these two.
    if (!(key in metadata) && key !== 'kernelspec' && key !== 'language_info') {
      sharedModel.deleteMetadata(key);
    }
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (!same(now[key], value)) {
      sharedModel.setMetadata(key, copy(value));
    }
  }
}

function isCode(cell: SharedCell): cell is SharedCodeCell {
  return cell.cell_type === 'code';
}

function isUndoManager(value: unknown): value is { stopCapturing(): void } {
  return typeof value === 'object' && value !== null && 'stopCapturing' in value;
}

function asJson(value: unknown): JsonObject {
  return value as JsonObject;
}

/** Return a copy that the model may own. */
function copy<T>(value: T): PartialJSONObject & T {
  return structuredClone(value) as PartialJSONObject & T;
}

/**
 * Reads and changes the model of an open notebook as data, touching only what differs: the cursor,
 * the scroll position, running cells and what can be undone stay as they are.
 */
import type * as nbformat from '@jupyterlab/nbformat';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { PartialJSONObject } from '@lumino/coreutils';
import {
  readCell,
  readDocument,
  same,
  withoutTrust,
  type CellDocument,
  type JsonObject,
  type NotebookDocument
} from './document';
import { noted, type CellView, type Step } from './write-plan';

type SharedCell = ReturnType<INotebookModel['sharedModel']['getCell']>;
type SharedCodeCell = Extract<SharedCell, { readonly cell_type: 'code' }>;

/** The notebook as it stands in the model, saved or not. */
export function documentOf({ sharedModel }: INotebookModel): NotebookDocument {
  // Not the model's own `toJSON`: that adds metadata, which makes a clean notebook dirty.
  return readDocument(sharedModel.toJSON());
}

/** What a plan looks at; read without copying any output. */
export function viewOf(model: INotebookModel): readonly CellView[] {
  return model.sharedModel.cells.map(cell => ({
    id: cell.getId(),
    cell_type: cell.cell_type,
    source: cell.getSource()
  }));
}

/** Cells that the person started and that are not done; a run of the server's is none of them. */
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
 * Do the steps of a plan as one step that can be undone; new outputs alone are nothing to undo.
 *
 * @param metadata - What a cell's metadata becomes: from its id, as it is, as it was put.
 */
export function perform(
  model: INotebookModel,
  steps: readonly Step[],
  metadata: (id: string, there: JsonObject, put: JsonObject) => JsonObject
): void {
  const { sharedModel } = model;
  const running = runningCells(model);
  const undoable = steps.some(step => step.do === 'insert' || step.do === 'remove');
  apart(model, undoable, () => {
    for (const step of steps) {
      switch (step.do) {
        case 'insert':
          sharedModel.insertCell(step.at, shared(step.cell));
          break;
        case 'update': {
          const there = sharedModel.getCell(step.at);
          const { id } = step.cell;
          const put = {
            ...step.cell,
            metadata: metadata(id, asJson(there.getMetadata()), step.cell.metadata)
          };
          update(model, step.at, put, running.has(id));
          break;
        }
        case 'remove':
          sharedModel.deleteCell(step.at);
          break;
        case 'note':
          setNotebook(model, noted(asJson(sharedModel.metadata), step));
          break;
        default: {
          const rest: never = step;
          throw new Error(`Unknown step ${JSON.stringify(rest)}`);
        }
      }
    }
  });
}

/** Make the model hold `target`; nothing of it can be undone, what could be before still can. */
export function become(model: INotebookModel, target: NotebookDocument): void {
  const { sharedModel } = model;
  apart(model, false, () => {
    const wanted = new Set(target.cells.map(cell => cell.id));
    for (let at = sharedModel.cells.length - 1; at >= 0; at -= 1) {
      if (!wanted.has(sharedModel.getCell(at).getId())) {
        sharedModel.deleteCell(at);
      }
    }
    target.cells.forEach((cell, at) => {
      const found = sharedModel.cells.findIndex(one => one.getId() === cell.id);
      if (found < 0) {
        sharedModel.insertCell(at, shared(cell));
        return;
      }
      if (found !== at) {
        sharedModel.moveCell(found, at);
      }
      update(model, at, cell, false);
    });
    if (target.cells.length === 0) {
      sharedModel.insertCell(0, { cell_type: 'code', source: '', metadata: {} });
    }
    setNotebook(model, target.metadata);
  });
}

/** Make one change, as an undo step of its own or as none. */
function apart(model: INotebookModel, undoable: boolean, change: () => void): void {
  const { sharedModel } = model;
  // The undo manager joins what happens within half a second, the person's own doing too.
  const manager = 'undoManager' in sharedModel ? sharedModel.undoManager : null;
  const cut = (): void => {
    if (undoable && isUndoManager(manager)) {
      manager.stopCapturing();
    }
  };
  cut();
  sharedModel.transact(change, undoable);
  cut();
}

/** Change the cell at a place to what `cell` says, part by part. */
function update(model: INotebookModel, at: number, cell: CellDocument, keepOutputs: boolean): void {
  const { sharedModel } = model;
  const there = sharedModel.getCell(at);
  if (there.cell_type !== cell.cell_type) {
    sharedModel.deleteCell(at);
    sharedModel.insertCell(at, shared(cell));
    return;
  }
  if (there.getSource() !== cell.source) {
    setText(there, cell.source);
  }
  const { trusted } = cell.metadata;
  if (isCode(there) && !keepOutputs) {
    const now = readCell(asJson(there.toJSON()));
    if (!same(now.outputs, cell.outputs ?? [])) {
      // What another wrote is as trusted as the file says, not as what stood here before.
      const widget = model.cells.get(at);
      widget.trusted = trusted === true;
      if (trusted !== true) {
        there.deleteMetadata('trusted');
      }
      there.setOutputs(copy(cell.outputs ?? []) as unknown as nbformat.IOutput[]);
    }
    there.execution_count = cell.execution_count ?? null;
  }
  if ('setAttachments' in there) {
    const attachments = readCell(asJson(there.toJSON())).attachments;
    if (!same(attachments, cell.attachments)) {
      const set = cell.attachments as unknown as nbformat.IAttachments | undefined;
      there.setAttachments(set);
    }
  }
  setCellMetadata(there, withoutTrust(cell.metadata));
}

/** Replace only the part of a text that differs, so that a cursor elsewhere stays where it is. */
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
    if (value !== undefined && !same(now[key], value)) {
      cell.setMetadata(key, copy(value));
    }
  }
}

function setNotebook({ sharedModel }: INotebookModel, metadata: JsonObject): void {
  const now = asJson(sharedModel.metadata);
  for (const key of Object.keys(now)) {
    // The model itself always has these two.
    if (!(key in metadata) && key !== 'kernelspec' && key !== 'language_info') {
      sharedModel.deleteMetadata(key);
    }
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (value !== undefined && !same(now[key], value)) {
      sharedModel.setMetadata(key, copy(value));
    }
  }
}

/** A cell as the shared model takes it. */
function shared(cell: CellDocument): never {
  return copy(cell) as never;
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

/** A copy that the model may keep. */
function copy<T>(value: T): PartialJSONObject & T {
  return structuredClone(value) as PartialJSONObject & T;
}

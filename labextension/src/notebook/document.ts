/**
 * A notebook as plain data, in one form wherever it came from: a file, the model of a tab, the wire.
 *
 * Texts are joined, absent keys are absent (not `undefined`), every cell has an id of its own.
 */
import { JSONExt, UUID, type ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { JsonValue } from '../protocol/generated';
import type { CellJson, JsonObject, NotebookJson } from '../protocol/live';

/** The key of what this package notes in the metadata of notebooks and cells. */
export const KEY = 'analyst_kernel';

/**
 * Bring a notebook into the form of this module.
 *
 * @param value - As the contents API or a notebook model gives it.
 * @param known - Where the cells have no ids (nbformat before 4.5), cells of the same text in this
 *   notebook lend them theirs.
 * @throws TypeError - It is no notebook.
 */
export function readDocument(value: unknown, known?: NotebookJson): NotebookJson {
  if (!isObject(value) || !Array.isArray(value.cells)) {
    throw new TypeError('Expected a notebook with cells.');
  }
  const taken = new Set<string>();
  const lenders = [...(known?.cells ?? [])];
  const cells = value.cells.map((cell: unknown) => {
    if (!isObject(cell)) {
      throw new TypeError('Expected a cell.');
    }
    const read = readCell(cell, '');
    let { id } = read;
    if (id === '') {
      const at = lenders.findIndex(other => other.source === read.source && !taken.has(other.id));
      id = (at < 0 ? undefined : lenders.splice(at, 1)[0]?.id) ?? '';
    }
    if (id === '' || taken.has(id)) {
      id = UUID.uuid4();
    }
    taken.add(id);
    return { ...read, id };
  });
  return {
    cells,
    metadata: isObject(value.metadata) ? present(value.metadata) : {},
    nbformat: typeof value.nbformat === 'number' ? value.nbformat : 4,
    nbformat_minor: typeof value.nbformat_minor === 'number' ? value.nbformat_minor : 5
  };
}

/** Bring one cell into the form of this module; `id` is for a cell that has none. */
export function readCell(value: JsonObject, id: string = UUID.uuid4()): CellJson {
  const kind = value.cell_type;
  const cell: CellJson = {
    id: typeof value.id === 'string' && value.id !== '' ? value.id : id,
    cell_type: kind === 'markdown' || kind === 'raw' ? kind : 'code',
    source: joined(value.source),
    metadata: isObject(value.metadata) ? present(value.metadata) : {}
  };
  if (cell.cell_type === 'code') {
    const outputs = Array.isArray(value.outputs) ? value.outputs.filter(isObject) : [];
    const count = value.execution_count;
    return {
      ...cell,
      outputs: outputs.map(readOutput),
      execution_count: typeof count === 'number' && count !== 0 ? count : null
    };
  }
  const { attachments } = value;
  return isObject(attachments) && Object.keys(attachments).length > 0
    ? { ...cell, attachments: present(attachments) }
    : cell;
}

/** Whether two cells hold the same, trust aside: that is for the server to say of a file. */
export function sameCell(one: CellJson, other: CellJson): boolean {
  return (
    one.id === other.id &&
    one.cell_type === other.cell_type &&
    one.source === other.source &&
    same(one.execution_count ?? null, other.execution_count ?? null) &&
    same(one.outputs, other.outputs) &&
    same(one.attachments, other.attachments) &&
    same(withoutTrust(one.metadata), withoutTrust(other.metadata))
  );
}

/** Whether two notebooks hold the same, trust aside. */
export function sameDocument(one: NotebookJson, other: NotebookJson): boolean {
  return (
    one.cells.length === other.cells.length &&
    one.cells.every((cell, index) => {
      const twin = other.cells[index];
      return twin !== undefined && sameCell(cell, twin);
    }) &&
    same(one.metadata, other.metadata)
  );
}

/** A cell's metadata without its `trusted`. */
export function withoutTrust(metadata: JsonObject): JsonObject {
  const { trusted: _, ...rest } = metadata;
  return rest;
}

/** What this package noted of a cell; empty where it is not one of ours. */
export function notesOf(cell: CellJson): JsonObject {
  const found = cell.metadata[KEY];
  return isObject(found) ? found : {};
}

/** Whether two JSON values are equal; `undefined` is a value too. */
export function same(one: unknown, other: unknown): boolean {
  if (one === undefined || other === undefined) {
    return one === other;
  }
  return JSONExt.deepEqual(one as ReadonlyPartialJSONValue, other as ReadonlyPartialJSONValue);
}

/** Whether a value is an object and no list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An output with its texts joined; what is only for the moment (`transient`) is left out. */
function readOutput(output: JsonObject): JsonObject {
  const read: Record<string, JsonValue> = present(output);
  delete read.transient;
  if ('text' in read) {
    read.text = joined(read.text);
  }
  if (isObject(read.data)) {
    read.data = Object.fromEntries(
      Object.entries(present(read.data)).map(([type, value]) => [
        type,
        Array.isArray(value) && value.every(line => typeof line === 'string')
          ? value.join('')
          : value
      ])
    );
  }
  return read;
}

function joined(text: unknown): string {
  if (Array.isArray(text)) {
    return text.join('');
  }
  return typeof text === 'string' ? text : '';
}

function present(
  object: Readonly<Record<string, JsonValue | undefined>>
): Record<string, JsonValue> {
  return Object.fromEntries(
    Object.entries(object).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined)
  );
}

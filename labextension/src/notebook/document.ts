/**
 * Reads notebooks into one form, whether they come from a file, a tab's model or the wire.
 *
 * Texts are joined, absent keys are absent (not `undefined`), every cell has an id of its own.
 */
import { JSONExt, UUID, type ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { JsonValue } from '../protocol/generated';
import type { CellJson, JsonObject, NotebookJson } from '../protocol/live';

/** The key of this package in the metadata of notebooks and cells. */
export const KEY = 'analyst_kernel';

/**
 * Return a notebook in this form.
 *
 * @param value - The JSON of the contents API or of a notebook model.
 * @param known - If cells have no ids (nbformat before 4.5), they get the ids of cells with the
 *   same text in this notebook.
 * @throws TypeError - It is not a notebook.
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

/** Return a cell in this form; `id` is for a cell without an id. */
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

/** Return whether two cells are equal except for trust, which only the server can grant. */
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

/** Return whether two notebooks are equal except for trust. */
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

/** Return a cell's metadata without `trusted`. */
export function withoutTrust(metadata: JsonObject): JsonObject {
  const { trusted: _, ...rest } = metadata;
  return rest;
}

/** Return this package's metadata of a cell; empty if no analysis wrote the cell. */
export function notesOf(cell: CellJson): JsonObject {
  const found = cell.metadata[KEY];
  return isObject(found) ? found : {};
}

/** Return whether two JSON values, or absent values, are equal. */
export function same(one: unknown, other: unknown): boolean {
  if (one === undefined || other === undefined) {
    return one === other;
  }
  return JSONExt.deepEqual(one as ReadonlyPartialJSONValue, other as ReadonlyPartialJSONValue);
}

/** Return whether a value is an object and not a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Return an output with its texts joined and without `transient`, which is never saved. */
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

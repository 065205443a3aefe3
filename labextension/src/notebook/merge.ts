/**
 * Merges what the user has in a tab with what another writer saved to the file meanwhile, cell by
 * cell (by id), against their common base. Pure; nothing of either side is lost:
 *
 * - A cell that one side changed is taken from that side; its text, its outputs and each key of
 *   its metadata are merged separately.
 * - A text that both changed stays as the user has it; the file's version follows in a new cell.
 * - A cell that one side deleted is dropped, unless the other side changed its text.
 */
import type { JsonValue } from '../protocol/generated';
import type { CellJson, JsonObject, NotebookJson } from '../protocol/live';
import { isObject, KEY, notesOf, same, withoutTrust } from './document';

/** The merge of two versions of a notebook. */
export interface Merge {
  readonly document: NotebookJson;
  /** Cells whose text both sides changed. */
  readonly conflicts: readonly string[];
}

type Prefer = 'mine' | 'theirs';

/**
 * Merge two versions of a notebook.
 *
 * @param base - The file as the user's tab last read or wrote it; `null` if that is not known.
 * @param mine - What the user has in the tab.
 * @param theirs - What the file holds now.
 * @param running - Cells that the user is running; they keep the outputs of the tab.
 */
export function mergeNotebooks(
  base: NotebookJson | null,
  mine: NotebookJson,
  theirs: NotebookJson,
  running: ReadonlySet<string> = new Set()
): Merge {
  const [was, here, there] = [byId(base?.cells ?? []), byId(mine.cells), byId(theirs.cells)];
  const kept = new Map<string, CellJson>();
  const copies = new Map<string, CellJson>();
  for (const id of new Set([...here.keys(), ...there.keys()])) {
    const [old, my, their] = [was.get(id), here.get(id), there.get(id)];
    if (my !== undefined && their !== undefined) {
      const both = mergeCell(old, my, their, running.has(id));
      kept.set(id, both.cell);
      if (both.copy !== null) {
        copies.set(id, both.copy);
      }
    } else if (my !== undefined) {
      if (old === undefined || !sameText(old, my) || running.has(id)) {
        kept.set(id, my);
      }
    } else if (their !== undefined && (old === undefined || !sameText(old, their))) {
      kept.set(id, their);
    }
  }
  const names = new Set([...was.keys(), ...kept.keys()]);
  const cells: CellJson[] = [];
  for (const id of order(base, mine, theirs)) {
    const cell = kept.get(id);
    if (cell === undefined) {
      continue;
    }
    cells.push(cell);
    const copy = copies.get(id);
    if (copy !== undefined) {
      const name = nextVersion(id, names);
      names.add(name);
      cells.push({ ...copy, id: name });
    }
  }
  return {
    document: {
      cells,
      metadata: mergeObject(base?.metadata, mine.metadata, theirs.metadata, 'mine'),
      nbformat: Math.max(mine.nbformat, theirs.nbformat),
      nbformat_minor: Math.max(mine.nbformat_minor, theirs.nbformat_minor)
    },
    conflicts: [...copies.keys()]
  };
}

/** Return every id of both sides, in the order of the merged cells. */
function order(
  base: NotebookJson | null,
  mine: NotebookJson,
  theirs: NotebookJson
): readonly string[] {
  const [here, there] = [ids(mine), ids(theirs)];
  const old = base === null ? [] : ids(base);
  // The file's order holds, unless only the user moved cells.
  const lead = !sameOrder(old, here) && sameOrder(old, there) ? here : there;
  const rest = lead === here ? there : here;
  const placed = [...lead];
  const known = new Set(lead);
  let after = -1;
  for (const id of rest) {
    if (known.has(id)) {
      after = placed.indexOf(id);
    } else {
      after += 1;
      placed.splice(after, 0, id);
      known.add(id);
    }
  }
  return placed;
}

/** Return whether the common cells of both lists have the same order. */
function sameOrder(one: readonly string[], other: readonly string[]): boolean {
  const common = new Set(other);
  const places = new Set(one);
  const [a, b] = [one.filter(id => common.has(id)), other.filter(id => places.has(id))];
  return a.every((id, index) => id === b[index]);
}

/** Merge a cell of both sides; `copy` is the file's version if both sides changed its text. */
function mergeCell(
  base: CellJson | undefined,
  mine: CellJson,
  theirs: CellJson,
  runs: boolean
): { cell: CellJson; copy: CellJson | null } {
  const iChanged = base === undefined || !sameText(base, mine);
  const theyChanged = base === undefined || !sameText(base, theirs);
  if (iChanged && theyChanged && !sameText(mine, theirs)) {
    // Exactly one cell may be the iteration: the version that was not edited here.
    const cell = 'role' in notesOf(theirs) ? asUserCell(mine) : mine;
    return { cell, copy: theirs };
  }
  const text = sameText(mine, theirs) || !theyChanged ? mine : theirs;
  const prefer = outputsOf(base, mine, theirs, runs);
  const given = prefer === 'mine' ? mine : theirs;
  const { trusted } = given.metadata;
  const metadata = mergeMetadata(base?.metadata, mine.metadata, theirs.metadata);
  const { outputs: _outputs, execution_count: _count, ...shell } = text;
  const cell = { ...shell, metadata: trusted === undefined ? metadata : { ...metadata, trusted } };
  if (text.cell_type !== 'code') {
    return { cell, copy: null };
  }
  return {
    cell: {
      ...cell,
      outputs: given.outputs ?? [],
      execution_count: given.execution_count ?? null
    },
    copy: null
  };
}

/** Return whose outputs a cell gets, once its text is chosen. */
function outputsOf(
  base: CellJson | undefined,
  mine: CellJson,
  theirs: CellJson,
  runs: boolean
): Prefer {
  if (runs || (base !== undefined && sameOutputs(base, theirs))) {
    return 'mine';
  }
  if (base !== undefined && sameOutputs(base, mine)) {
    return 'theirs';
  }
  if (base !== undefined && !sameText(mine, theirs)) {
    return sameText(base, theirs) ? 'mine' : 'theirs';
  }
  // Both sides ran the same text, so the later run counts.
  return (theirs.execution_count ?? 0) > (mine.execution_count ?? 0) ? 'theirs' : 'mine';
}

/** Merge a cell's metadata except for trust; of conflicts, only this package's key is the file's. */
export function mergeMetadata(
  base: JsonObject | undefined,
  mine: JsonObject,
  theirs: JsonObject
): JsonObject {
  return mergeObject(base && withoutTrust(base), withoutTrust(mine), withoutTrust(theirs), 'mine');
}

/** Merge two objects key by key; `prefer` decides conflicts. */
function mergeObject(
  base: JsonObject | undefined,
  mine: JsonObject,
  theirs: JsonObject,
  prefer: Prefer
): JsonObject {
  const merged: Record<string, JsonValue> = {};
  for (const key of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
    // Only the server writes this package's key.
    const value = mergeValue(base?.[key], mine[key], theirs[key], key === KEY ? 'theirs' : prefer);
    if (value !== undefined) {
      merged[key] = value;
    }
  }
  return merged;
}

function mergeValue(
  base: JsonValue | undefined,
  mine: JsonValue | undefined,
  theirs: JsonValue | undefined,
  prefer: Prefer
): JsonValue | undefined {
  if (same(mine, theirs) || same(base, theirs)) {
    return mine;
  }
  if (same(base, mine)) {
    return theirs;
  }
  if (isObject(mine) && isObject(theirs)) {
    return mergeObject(isObject(base) ? base : undefined, mine, theirs, prefer);
  }
  if (mine === undefined || theirs === undefined) {
    return mine ?? theirs;
  }
  return prefer === 'mine' ? mine : theirs;
}

/** Return the cell as the user's own, because its iteration is in the copy. */
function asUserCell(cell: CellJson): CellJson {
  return { ...cell, metadata: { ...cell.metadata, [KEY]: { origin: 'user' } } };
}

/** Return the id of another version of a cell, by the same rule as the server. */
function nextVersion(id: string, taken: ReadonlySet<string>): string {
  for (let number = 2; ; number += 1) {
    const name = `${id.slice(0, 56)}-v${String(number)}`;
    if (!taken.has(name)) {
      return name;
    }
  }
}

function sameText(one: CellJson, other: CellJson): boolean {
  return (
    one.cell_type === other.cell_type &&
    one.source === other.source &&
    same(one.attachments, other.attachments)
  );
}

function sameOutputs(one: CellJson, other: CellJson): boolean {
  return (
    same(one.outputs ?? [], other.outputs ?? []) &&
    (one.execution_count ?? null) === (other.execution_count ?? null)
  );
}

function byId(cells: readonly CellJson[]): Map<string, CellJson> {
  return new Map(cells.map(cell => [cell.id, cell]));
}

function ids(document: NotebookJson): string[] {
  return document.cells.map(cell => cell.id);
}

/**
 * Finds the numbers of an answer in the text as it is shown. Pure.
 *
 * Rendering Markdown changes offsets, but never the order. So each number is searched after the
 * number before it, as a whole number.
 */
import type { NumberProof } from '../protocol/generated';

/** A number (or a reference to a cell) in the shown text; `end` is exclusive. */
export interface Place {
  readonly start: number;
  readonly end: number;
  /** The cell that proves it; `null` if no cell does. */
  readonly cell: string | null;
  readonly kind: 'number' | 'reference';
  /** How the number follows from shown ones; empty if it is shown itself. */
  readonly derivation?: string | undefined;
}

/** Return the places of the proven and unproven numbers in `shown`. */
export function numberPlaces(shown: string, numbers: readonly NumberProof[]): readonly Place[] {
  const places: Place[] = [];
  let from = 0;
  for (const number of numbers) {
    const start = wholeNumber(shown, number.text, from);
    if (start >= 0) {
      from = start + number.text.length;
      const { cell, derivation } = number;
      places.push({ start, end: from, cell, kind: 'number', derivation });
    }
  }
  return places;
}

/** Return the places where the answer names a cell, as in `[cell 2]` or `[cells 2, 3]`. */
export function cellReferences(
  shown: string,
  cellOf: (iteration: number) => string | null
): readonly Place[] {
  const places: Place[] = [];
  for (const match of shown.matchAll(/\[cells? (\d+(?:(?:, | and |–|-)\d+)*)\]/g)) {
    for (const number of match[0].matchAll(/\d+/g)) {
      const cell = cellOf(Number(number[0]));
      if (cell !== null) {
        const start = match.index + number.index;
        places.push({ start, end: start + number[0].length, cell, kind: 'reference' });
      }
    }
  }
  return places;
}

/** Return the places outside closed forms such as `@mean[18.4]`, in which nothing is marked. */
export function outsideForms(shown: string, places: readonly Place[]): readonly Place[] {
  const forms = [...shown.matchAll(/@[A-Za-z_][\w.-]{0,79}\s?\[[^\]\n]{0,2000}\]/g)];
  return places.filter(
    place =>
      !forms.some(form => form.index < place.end && place.start < form.index + form[0].length)
  );
}

/** Return both kinds in order, without overlaps: a reference is not a number of the answer. */
export function mergePlaces(a: readonly Place[], b: readonly Place[]): readonly Place[] {
  const sorted = [...a, ...b].sort((x, y) => x.start - y.start || y.end - x.end);
  const kept: Place[] = [];
  for (const place of sorted) {
    if (place.start >= (kept.at(-1)?.end ?? 0)) {
      kept.push(place);
    }
  }
  return kept;
}

function wholeNumber(shown: string, text: string, from: number): number {
  let at = shown.indexOf(text, from);
  while (at >= 0) {
    const before = shown.slice(Math.max(0, at - 2), at);
    const after = shown.slice(at + text.length, at + text.length + 2);
    const cut = /\d[.,]?$/.test(before) || /^[.,]?\d/.test(after);
    if (!cut || /^\d*[.,]\s/.test(after)) {
      return at;
    }
    at = shown.indexOf(text, at + 1);
  }
  return -1;
}

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { planWrite, type CellView, type Change } from '../../src/notebook/write-plan';

interface Case {
  readonly name: string;
  readonly cells: readonly CellView[];
  readonly changes: readonly Change[];
  readonly edits: readonly (readonly [string, number | null])[] | null;
}

// The server's tests read the same cases: both sides must decide alike.
const cases = JSON.parse(
  readFileSync(new URL('../../../tests/notebook/files/cell_changes.json', import.meta.url), 'utf8')
) as readonly Case[];

describe('a write of the server is planned as the server plans it', () => {
  it.each(cases)('$name', ({ cells, changes, edits }) => {
    const steps = planWrite(cells, changes);
    const planned = steps?.map(step => [step.do, 'at' in step ? step.at : null]);
    expect(planned ?? null).toEqual(edits);
  });
});

import { describe, expect, it } from 'vitest';
import type { CellJson, NotebookJson } from '../../src/protocol/live';
import { notesOf, readDocument, sameDocument } from '../../src/notebook/document';
import { mergeNotebooks } from '../../src/notebook/merge';

function code(id: string, source: string, more: Partial<CellJson> = {}): CellJson {
  return {
    id,
    cell_type: 'code',
    source,
    metadata: {},
    outputs: [],
    execution_count: null,
    ...more
  };
}

function book(cells: CellJson[], metadata = {}): NotebookJson {
  return { cells, metadata, nbformat: 4, nbformat_minor: 5 };
}

const ran = (text: string, count: number): Partial<CellJson> => ({
  outputs: [{ output_type: 'stream', name: 'stdout', text }],
  execution_count: count
});
const iteration = { metadata: { analyst_kernel: { role: 'iteration', iteration: 1 } } };
const sources = (document: NotebookJson): string[] => document.cells.map(cell => cell.source);
const ids = (document: NotebookJson): string[] => document.cells.map(cell => cell.id);

describe('two versions of a notebook', () => {
  const base = book([code('a', '1'), code('b', '2'), code('c', '3')]);

  it('keep the new cells of both, those of the user in their place', () => {
    const mine = book([...base.cells, code('mine', 'x')]);
    const theirs = book([...base.cells, code('t1', 'y'), code('t2', 'z')]);
    expect(ids(mergeNotebooks(base, mine, theirs).document)).toEqual([
      'a',
      'b',
      'c',
      'mine',
      't1',
      't2'
    ]);
  });

  it('keep an edit of each, and the outputs that belong to it', () => {
    const mine = book([code('a', '1 + 1', ran('2', 9)), code('b', '2'), code('c', '3')]);
    const theirs = book([
      code('a', '1', ran('1', 5)),
      code('b', '2'),
      code('c', '33', ran('33', 6))
    ]);
    const { document, conflicts } = mergeNotebooks(base, mine, theirs);
    expect(conflicts).toEqual([]);
    expect(document.cells[0]).toEqual(mine.cells[0]);
    expect(document.cells[2]).toEqual(theirs.cells[2]);
  });

  it('keep both texts of a conflict: the user’s in place, the file’s below', () => {
    const was = book([code('a', 'plot()', iteration), code('b', '2')]);
    const mine = book([code('a', 'plot(1)', iteration), code('b', '2')]);
    const theirs = book([code('a', 'plot(2)', { ...iteration, ...ran('ok', 3) }), code('b', '2')]);
    const { document, conflicts } = mergeNotebooks(was, mine, theirs);
    expect(conflicts).toEqual(['a']);
    expect(ids(document)).toEqual(['a', 'a-v2', 'b']);
    expect(sources(document)).toEqual(['plot(1)', 'plot(2)', '2']);
    // The iteration is in exactly one cell.
    expect(document.cells.map(cell => notesOf(cell).role)).toEqual([
      undefined,
      'iteration',
      undefined
    ]);
    expect(document.cells[1]?.outputs).toEqual(theirs.cells[0]?.outputs);
  });

  it('agree on a deletion unless the other side edited the cell', () => {
    const without = book([code('a', '1'), code('c', '3')]);
    expect(ids(mergeNotebooks(base, without, base).document)).toEqual(['a', 'c']);
    expect(ids(mergeNotebooks(base, base, without).document)).toEqual(['a', 'c']);
    const edited = book([code('a', '1'), code('b', 'mine'), code('c', '3')]);
    expect(sources(mergeNotebooks(base, edited, without).document)).toEqual(['1', 'mine', '3']);
    expect(sources(mergeNotebooks(base, without, edited).document)).toEqual(['1', 'mine', '3']);
    const rerun = book([code('a', '1'), code('b', '2', ran('2', 4)), code('c', '3')]);
    expect(ids(mergeNotebooks(base, without, rerun).document)).toEqual(['a', 'c']);
  });

  it('keep the user’s order of the cells, new cells behind their neighbour', () => {
    const mine = book([code('c', '3'), code('a', '1'), code('b', '2')]);
    const theirs = book([...base.cells, code('new', 'y')]);
    expect(ids(mergeNotebooks(base, mine, theirs).document)).toEqual(['c', 'new', 'a', 'b']);
  });

  it('keep the tab’s outputs of a running cell', () => {
    const mine = book([code('a', '1', ran('so far', 1)), code('b', '2'), code('c', '3')]);
    const theirs = book([code('a', '1', ran('old', 7)), code('b', '2'), code('c', '3')]);
    const running = mergeNotebooks(base, mine, theirs, new Set(['a']));
    expect(running.document.cells[0]).toEqual(mine.cells[0]);
    // Of two finished runs the later counts.
    const done = mergeNotebooks(base, mine, theirs);
    expect(done.document.cells[0]).toEqual(theirs.cells[0]);
    const gone = book([code('b', '2'), code('c', '3')]);
    expect(ids(mergeNotebooks(base, base, gone, new Set(['a'])).document)).toContain('a');
  });

  it('merge the metadata key by key; the analysis’s own key is the file’s', () => {
    const was = book([], { title: 'A', analyst_kernel: { version: 1, cells: { a: '1' } } });
    const mine = book([], { title: 'B', analyst_kernel: { version: 1, cells: { a: 'm' } } });
    const theirs = book([], {
      title: 'C',
      analyst_kernel: { version: 1, cells: { a: 't', b: '2' } },
      widgets: {}
    });
    expect(mergeNotebooks(was, mine, theirs).document.metadata).toEqual({
      title: 'B',
      analyst_kernel: { version: 1, cells: { a: 't', b: '2' } },
      widgets: {}
    });
  });

  it('take the trust of a cell with its outputs', () => {
    const html = { ...ran('<b>', 2), metadata: { trusted: false } };
    const was = book([code('a', '1', { metadata: { trusted: true } })]);
    const theirs = book([code('a', '1', html)]);
    expect(mergeNotebooks(was, was, theirs).document.cells[0]?.metadata).toEqual({
      trusted: false
    });
    const mine = book([code('a', '1', { ...ran('x', 3), metadata: { trusted: true } })]);
    expect(mergeNotebooks(was, mine, was).document.cells[0]?.metadata.trusted).toBe(true);
  });

  it('lose nothing without a base', () => {
    const mine = book([code('a', 'mine'), code('m', 'x')]);
    const theirs = book([code('a', 'theirs'), code('t', 'y')]);
    const { document } = mergeNotebooks(null, mine, theirs);
    expect(sources(document).sort()).toEqual(['mine', 'theirs', 'x', 'y']);
  });
});

describe('many random versions', () => {
  // Mulberry32: the same cases in every run.
  const random = (seed: number) => (): number => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const cases = Array.from({ length: 400 }, (_, seed) => seed);

  /** Edit, add, remove and move cells as `next` says; each text is used once. */
  function changed(document: NotebookJson, next: () => number, who: string): NotebookJson {
    const cells = [...document.cells];
    const steps = Math.floor(next() * 5);
    for (let step = 0; step < steps; step += 1) {
      const at = Math.floor(next() * cells.length);
      const cell = cells[at];
      const name = `${who}${String(step)}`;
      const kind = Math.floor(next() * 5);
      if (kind === 0 || cell === undefined) {
        cells.splice(at, 0, code(name, `new ${name}`));
      } else if (kind === 1) {
        cells[at] = { ...cell, source: `edit ${name}` };
      } else if (kind === 2) {
        cells.splice(at, 1);
      } else if (kind === 3) {
        cells[at] = { ...cell, ...ran(name, step + 1) };
      } else {
        cells.splice(at, 1);
        cells.splice(Math.floor(next() * (cells.length + 1)), 0, cell);
      }
    }
    return book(cells, { [who]: steps });
  }

  const triple = (seed: number): NotebookJson[] => {
    const next = random(seed);
    const size = Math.floor(next() * 6);
    const base = book(
      Array.from({ length: size }, (_, at) => code(`c${String(at)}`, `text ${String(at)}`))
    );
    return [base, changed(base, next, 'mine'), changed(base, next, 'theirs')];
  };

  it('keep every new text and unique ids', () => {
    for (const seed of cases) {
      check(seed);
    }
  });

  function check(seed: number): void {
    const [base, mine, theirs] = triple(seed) as [NotebookJson, NotebookJson, NotebookJson];
    const { document } = mergeNotebooks(base, mine, theirs);
    expect(new Set(ids(document)).size).toBe(document.cells.length);
    const [result, old] = [new Set(sources(document)), new Set(sources(base))];
    for (const text of [...sources(mine), ...sources(theirs)]) {
      expect(old.has(text) || result.has(text), `${text} of ${String(seed)}`).toBe(true);
    }
    // No text appears that neither side has.
    const known = new Set([...sources(mine), ...sources(theirs)]);
    expect(sources(document).every(text => known.has(text))).toBe(true);
    // After the merge, the file has nothing new for the tab.
    expect(sameDocument(mergeNotebooks(theirs, document, theirs).document, document)).toBe(true);
    // A side without changes becomes the other side.
    expect(sameDocument(mergeNotebooks(base, base, theirs).document, theirs)).toBe(true);
    expect(sameDocument(mergeNotebooks(base, mine, base).document, mine)).toBe(true);
  }
});

describe('a notebook as data', () => {
  it('has joined texts, unique ids and no transient data', () => {
    const read = readDocument({
      nbformat: 4,
      nbformat_minor: 5,
      metadata: {},
      cells: [
        {
          id: 'a',
          cell_type: 'markdown',
          source: ['x\n', 'y'],
          metadata: {},
          attachments: undefined
        },
        {
          id: 'a',
          cell_type: 'code',
          source: 'z',
          metadata: {},
          execution_count: 0,
          outputs: [
            { output_type: 'stream', name: 'stdout', text: ['1\n', '2'] },
            {
              output_type: 'display_data',
              data: { 'text/plain': ['p', 'q'] },
              metadata: {},
              transient: {}
            }
          ]
        }
      ]
    });
    expect(read.cells[0]).toEqual({ id: 'a', cell_type: 'markdown', source: 'x\ny', metadata: {} });
    expect(read.cells[1]?.id).not.toBe('a');
    expect(read.cells[1]?.execution_count).toBeNull();
    expect(read.cells[1]?.outputs).toEqual([
      { output_type: 'stream', name: 'stdout', text: '1\n2' },
      { output_type: 'display_data', data: { 'text/plain': 'pq' }, metadata: {} }
    ]);
    expect(() => readDocument('<<<<<<< HEAD')).toThrow(TypeError);
  });

  it('of an old format gets the ids of the cells with its texts', () => {
    const known = book([code('a', '1'), code('b', '2')]);
    const cells = ['2', '1', '3'].map(source => ({ cell_type: 'code', source, metadata: {} }));
    const read = readDocument({ cells, metadata: {}, nbformat: 4, nbformat_minor: 4 }, known);
    expect(ids(read).slice(0, 2)).toEqual(['b', 'a']);
    expect(ids(read)[2]).toMatch(/^[0-9a-f-]{36}$/);
  });
});

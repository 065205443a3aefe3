// @vitest-environment happy-dom
import type { Context } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import { describe, expect, it } from 'vitest';
import type { NotebookJson } from '../../src/protocol/live';
import { notesOf, readDocument } from '../../src/notebook/document';
import { LiveNotebook, type WriteOutcome, type Rebase } from '../../src/notebook/live-notebook';
import type { Change } from '../../src/notebook/write-plan';
import { FakeContents } from '../fakes/contents';

const PATH = 'a.ipynb';

function cell(id: string, source: string, more: Record<string, unknown> = {}): object {
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

function book(...cells: object[]): object {
  const kernelspec = { name: 'analyst', display_name: 'Analyst' };
  const metadata = { kernelspec, language_info: { name: 'python' } };
  return { cells, metadata, nbformat: 4, nbformat_minor: 5 };
}

function put(id: string, source: string, after: string | null, expects: string | null): Change {
  return { change: 'put_cell', cell: cell(id, source) as never, after, at_end: false, expects };
}

const stdout = (text: string): object => ({ output_type: 'stream', name: 'stdout', text });

interface Opened {
  readonly files: FakeContents;
  readonly context: Context<INotebookModel>;
  readonly live: LiveNotebook;
  readonly writeSettled: WriteOutcome[];
  readonly rebased: Rebase[];
  write(number: number, ...changes: Change[]): Promise<void>;
  /** Type into a cell as the user. */
  type(at: number, text: string): void;
  disk(): NotebookJson;
  tab(): NotebookJson;
}

async function open(...cells: object[]): Promise<Opened> {
  const files = new FakeContents();
  files.write(PATH, book(...cells));
  return openAgain(files);
}

async function openAgain(files: FakeContents): Promise<Opened> {
  const context = await files.open(PATH);
  const live = new LiveNotebook(context, files.manager);
  const [writeSettled, rebased]: [WriteOutcome[], Rebase[]] = [[], []];
  live.writeSettled.connect((_, one) => writeSettled.push(one));
  live.rebased.connect((_, one) => rebased.push(one));
  return {
    files,
    context,
    live,
    writeSettled,
    rebased,
    write: (write, ...changes) =>
      live.write({ type: 'write_notebook', analysis: 'x', path: PATH, write, changes }),
    type: (at, text) => {
      context.model.sharedModel.getCell(at).setSource(text);
    },
    disk: () => readDocument(files.files.get(PATH)?.content),
    tab: () => live.document()
  };
}

const sources = (document: NotebookJson): string[] => document.cells.map(one => one.source);
const outcomes = (opened: Opened): (string | number)[][] =>
  opened.writeSettled.map(({ write, outcome }) => [write, outcome]);

describe('a write of the server', () => {
  it('is saved at once without unsaved edits, and the tab is never dirty meanwhile', async () => {
    const opened = await open(cell('a', '1'));
    const dirty: boolean[] = [];
    opened.files.onSave = () => dirty.push(opened.context.model.dirty);
    await opened.write(1, put('b', '2', 'a', null), put('c', '3', 'b', null));
    expect(sources(opened.disk())).toEqual(['1', '2', '3']);
    expect(dirty).toEqual([false]);
    expect(outcomes(opened)).toEqual([[1, 'saved']]);
    expect(opened.writeSettled[0]?.hash).toBe(opened.files.files.get(PATH)?.hash);
    expect(opened.tab()).toEqual(opened.disk());
  });

  it('is an undo step of its own', async () => {
    const opened = await open(cell('a', '1'));
    const { sharedModel } = opened.context.model;
    sharedModel.insertCell(1, { cell_type: 'code', source: 'mine', metadata: {} });
    await opened.write(1, put('b', '2', 'a', null), put('c', '3', 'b', null));
    sharedModel.undo();
    expect(sources(opened.tab())).toEqual(['1', 'mine']);
    sharedModel.undo();
    expect(sources(opened.tab())).toEqual(['1']);
  });

  it('waits for the user’s own save if the user has unsaved edits', async () => {
    const opened = await open(cell('a', '1'));
    opened.type(0, 'half a tho');
    await opened.write(1, put('b', '2', 'a', null));
    expect(outcomes(opened)).toEqual([[1, 'unsaved']]);
    expect(sources(opened.disk())).toEqual(['1']);
    expect(opened.context.model.dirty).toBe(true);
    opened.type(0, 'half a thought');
    await opened.context.save();
    expect(outcomes(opened)).toEqual([
      [1, 'unsaved'],
      [1, 'saved']
    ]);
    expect(sources(opened.disk())).toEqual(['half a thought', '2']);
    expect(opened.context.model.dirty).toBe(false);
  });

  it('is refused as a whole if the user edited the cell, with the notebook of the tab', async () => {
    const opened = await open(cell('a', '1'));
    opened.type(0, 'mine');
    await opened.write(7, put('b', '2', 'a', null), put('a', 'theirs', null, '1'));
    expect(outcomes(opened)).toEqual([[7, 'refused']]);
    expect(sources(opened.writeSettled[0]?.document ?? opened.disk())).toEqual(['mine']);
    expect(sources(opened.tab())).toEqual(['mine']);
  });

  it('may change and remove what an earlier write put', async () => {
    const opened = await open(cell('a', '1'), cell('z', '9'));
    const drop = { change: 'remove_cell', cell: 'c', expects: '3' } as const;
    await opened.write(
      1,
      put('b', '2', 'a', null),
      put('c', '3', 'b', null),
      put('b', '22', 'a', '2'),
      drop,
      put('z', '99', null, '9')
    );
    expect(sources(opened.disk())).toEqual(['1', '22', '99']);
    expect(opened.tab()).toEqual(opened.disk());
  });

  it('changes nothing the second time', async () => {
    const opened = await open(cell('a', '1'));
    await opened.write(1, put('b', '2', 'a', null));
    await opened.write(1, put('b', '2', 'a', null));
    expect(sources(opened.disk())).toEqual(['1', '2']);
    expect(outcomes(opened)).toEqual([
      [1, 'saved'],
      [1, 'saved']
    ]);
  });

  it('brings untrusted outputs without an undo step', async () => {
    const trusted = { metadata: { trusted: true }, outputs: [stdout('old')] };
    const opened = await open(cell('a', '1', trusted));
    const model = opened.context.model.cells.get(0);
    expect(model.trusted).toBe(true);
    const html = { output_type: 'display_data', data: { 'text/html': '<script>' }, metadata: {} };
    const change = { ...put('a', '1', null, '1'), cell: cell('a', '1', { outputs: [html] }) };
    await opened.write(1, change as Change);
    expect(model.trusted).toBe(false);
    expect(opened.tab().cells[0]?.metadata).toEqual({});
    expect(opened.tab().cells[0]?.outputs).toEqual([html]);
    expect(opened.context.model.sharedModel.canUndo()).toBe(false);
  });

  it('keeps the outputs of a cell that the user is running', async () => {
    const opened = await open(cell('a', '1', { outputs: [stdout('so far')] }));
    const shared = opened.context.model.sharedModel.getCell(0);
    (shared as unknown as { executionState: string }).executionState = 'running';
    expect(opened.live.busy).toBe(true);
    await opened.write(1, put('a', '1', null, '1'));
    expect(opened.tab().cells[0]?.outputs).toEqual([stdout('so far')]);
  });

  it('keeps how the user folded a cell, and unfolds what the server unfolds', async () => {
    const opened = await open(
      cell('a', '1', { metadata: { tags: ['raises-exception'], analyst_kernel: { step: 1 } } })
    );
    opened.context.model.sharedModel.getCell(0).setMetadata('slideshow', { slide_type: 'skip' });
    const done = cell('a', '1', { metadata: { analyst_kernel: { step: 1, outcome: 'ok' } } });
    await opened.write(1, { ...put('a', '1', null, '1'), cell: done } as Change);
    expect(opened.tab().cells[0]?.metadata).toEqual({
      slideshow: { slide_type: 'skip' },
      analyst_kernel: { step: 1, outcome: 'ok' }
    });
  });

  it('stays unsaved without a dialog if the server cannot be reached', async () => {
    const opened = await open(cell('a', '1'));
    opened.files.files.set(PATH, { content: '<<<<<<< HEAD', hash: 'broken' });
    await opened.write(1, put('b', '2', 'a', null));
    expect(outcomes(opened)).toEqual([[1, 'unsaved']]);
    expect(opened.context.model.dirty).toBe(true);
    expect(document.querySelector('.jp-Dialog')).toBeNull();
  });
});

describe('a save', () => {
  it('merges what another writer saved with what the user typed, without a dialog', async () => {
    const opened = await open(cell('a', '1'), cell('b', '2'));
    const kept = opened.context.model.cells.get(0);
    opened.type(0, 'mine');
    opened.files.write(PATH, book(cell('a', '1'), cell('b', 'theirs'), cell('c', 'new')));
    await opened.context.save();
    expect(sources(opened.disk())).toEqual(['mine', 'theirs', 'new']);
    expect(opened.tab()).toEqual(opened.disk());
    expect(opened.rebased).toEqual([{ hadEdits: true, conflicts: [], foreign: true }]);
    expect(document.querySelector('.jp-Dialog')).toBeNull();
    // The cells are the same objects: the cursor and the widgets stay.
    expect(opened.context.model.cells.get(0)).toBe(kept);
    // The next save merges nothing.
    opened.type(0, 'more');
    await opened.context.save();
    expect(opened.rebased).toHaveLength(1);
  });

  it('leaves the notebook dirty if the user types meanwhile', async () => {
    const opened = await open(cell('a', '1'));
    opened.type(0, 'x');
    opened.files.onSave = () => {
      opened.type(0, 'xy');
    };
    await opened.context.save();
    expect(sources(opened.disk())).toEqual(['x']);
    expect(opened.context.model.dirty).toBe(true);
    opened.files.onSave = () => undefined;
    await opened.context.save();
    expect(sources(opened.disk())).toEqual(['xy']);
    expect(opened.context.model.dirty).toBe(false);
  });

  it('loses nothing of two tabs that save at once', async () => {
    const one = await open(cell('a', '1'), cell('b', '2'));
    const other = await openAgain(one.files);
    one.type(0, 'one');
    other.type(1, 'other');
    await one.context.save();
    await other.context.save();
    expect(sources(one.disk())).toEqual(['one', 'other']);
    await one.live.changedOnDisk();
    expect(one.tab()).toEqual(one.disk());
    expect(one.context.model.dirty).toBe(false);
  });

  it('is JupyterLab’s own again when the notebook no longer has an analysis', async () => {
    const opened = await open(cell('a', '1'));
    opened.live.dispose();
    opened.type(0, 'x');
    await opened.context.save();
    expect(sources(opened.disk())).toEqual(['x']);
    expect(opened.writeSettled).toEqual([]);
  });
});

describe('a file that changed', () => {
  it('is loaded with all of its changes', async () => {
    const opened = await open(...['a', 'b', 'c', 'd'].map(id => cell(id, id)));
    const text = {
      id: 'd',
      cell_type: 'markdown',
      source: 'now a text',
      metadata: { tags: ['x'] }
    };
    const shown = cell('b', 'b', { outputs: [stdout('b')], execution_count: 4 });
    opened.files.write(PATH, book(cell('n', 'new'), text, shown, cell('e', 'end'), cell('a', 'A')));
    await opened.live.changedOnDisk();
    expect(opened.tab()).toEqual(opened.disk());
    expect(opened.context.model.dirty).toBe(false);
    opened.files.write(PATH, book());
    await opened.live.changedOnDisk();
    expect(sources(opened.tab())).toEqual(['']);
  });

  it('is loaded at once by a tab without edits', async () => {
    const opened = await open(cell('a', '1'));
    opened.files.write(PATH, book(cell('a', '1'), cell('b', '2')));
    await opened.live.changedOnDisk('h2');
    expect(sources(opened.tab())).toEqual(['1', '2']);
    expect(opened.context.model.dirty).toBe(false);
    expect(opened.files.saves).toBe(0);
  });

  it('waits while the user has edits or runs a cell', async () => {
    const opened = await open(cell('a', '1'));
    const shared = opened.context.model.sharedModel.getCell(0) as unknown as {
      executionState: string;
    };
    shared.executionState = 'running';
    opened.files.write(PATH, book(cell('a', '1'), cell('b', '2')));
    await opened.live.changedOnDisk();
    expect(sources(opened.tab())).toEqual(['1']);
    shared.executionState = 'idle';
    await opened.live.catchUp();
    expect(sources(opened.tab())).toEqual(['1', '2']);
  });

  it('shows both versions of a cell that the user edited too', async () => {
    const mine = { metadata: { analyst_kernel: { role: 'iteration' } } };
    const opened = await open(cell('a', '1', mine));
    opened.type(0, 'mine');
    opened.files.write(PATH, book(cell('a', 'theirs', mine)));
    await opened.context.save();
    expect(sources(opened.disk())).toEqual(['mine', 'theirs']);
    expect(opened.disk().cells.filter(one => notesOf(one).role === 'iteration')).toHaveLength(1);
    expect(opened.rebased[0]?.conflicts).toEqual(['a']);
  });

  it('is restored when the user reverts to it, and unsaved writes are refused', async () => {
    const opened = await open(cell('a', '1'));
    opened.type(0, 'x');
    await opened.write(3, put('b', '2', 'a', null));
    await opened.context.revert();
    expect(sources(opened.tab())).toEqual(['1']);
    expect(outcomes(opened)).toEqual([
      [3, 'unsaved'],
      [3, 'refused']
    ]);
  });

  it('loses nothing of a tab that was dirty before it had an analysis', async () => {
    const files = new FakeContents();
    files.write(PATH, book(cell('a', '1'), cell('b', '2')));
    const context = await files.open(PATH);
    context.model.sharedModel.getCell(0).setSource('mine');
    context.model.sharedModel.deleteCell(1);
    const live = new LiveNotebook(context, files.manager);
    await live.catchUp();
    files.write(PATH, book(cell('a', '1'), cell('b', '2'), cell('c', '3')));
    await context.save();
    expect(sources(live.document())).toEqual(['mine', '3']);
  });
});

describe('a notebook in a live room', () => {
  async function shared(): Promise<Opened> {
    const files = new FakeContents();
    files.write(PATH, book(cell('a', 'a = 1')));
    const context = await files.open(PATH);
    Object.defineProperty(context.model, 'collaborative', { value: true });
    const live = new LiveNotebook(context, files.manager);
    return { files, context, live } as Opened;
  }

  it('is saved without a question when the room saved a moment ago', async () => {
    const { files, context, live } = await shared();
    files.write(PATH, book(cell('a', 'a = 2')));
    const seen: (string | undefined)[] = [];
    const times: (string | undefined)[] = [];
    files.onSave = () => {
      seen.push(context.contentsModel?.hash);
      expect(context.contentsModel?.writable).toBe(true);
    };
    context.fileChanged.connect(() => times.push(context.contentsModel?.last_modified));
    // A second save while the first one is on its way.
    await Promise.all([context.save(), context.save()]);
    expect(document.querySelector('.jp-Dialog')).toBeNull();
    expect(files.saves).toBe(2);
    expect(seen).toEqual([undefined, undefined]);
    // The file's time is shown as it is.
    expect(new Set(times)).toEqual(new Set(['2026-01-01T00:00:00Z']));
    // Between saves the file's model is the original.
    expect(context.contentsModel?.hash).toBe(files.files.get(PATH)?.hash);
    expect(Object.hasOwn(context, 'contentsModel')).toBe(false);
    live.dispose();
    await context.save();
    expect(seen[2]).toBe('h4');
  });

  it('is left unchanged when a save fails', async () => {
    const { files, context } = await shared();
    files.onSave = () => {
      throw new Error('full');
    };
    await expect(context.save()).rejects.toThrow();
    expect(context.contentsModel?.hash).toBe('h1');
    document.querySelectorAll<HTMLElement>('.jp-Dialog .jp-mod-accept').forEach(button => {
      button.click();
    });
  });
});

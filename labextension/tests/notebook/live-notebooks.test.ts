// @vitest-environment happy-dom
import type { Context } from '@jupyterlab/docregistry';
import type { INotebookModel, INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HEARTBEAT, LiveNotebooks } from '../../src/notebook/live-notebooks';
import { tabName } from '../../src/plugins/live-notebooks';
import { rebaseNotice } from '../../src/plugins/live-notebooks';
import type { Command } from '../../src/protocol/generated';
import type { AnalystStore } from '../../src/session/store';
import { FakeContents } from '../fakes/contents';
import { FakeServer } from '../fakes/server';

const LANGUAGE = {
  kernelspec: { name: 'x', display_name: 'X' },
  language_info: { name: 'python' }
};
const NOTES = { ...LANGUAGE, analyst_kernel: { version: 1, analysis: 'a' } };

function book(metadata: object): object {
  const one = { id: 'x', cell_type: 'code', source: '1', metadata: {}, outputs: [] };
  return { cells: [{ ...one, execution_count: null }], metadata, nbformat: 4, nbformat_minor: 5 };
}

/** The tracker of a page, to which a test adds panels. */
class Page {
  readonly panels: NotebookPanel[] = [];
  readonly widgetAdded = new Signal<this, NotebookPanel>(this);
  readonly currentChanged = new Signal<this, null>(this);
  active: NotebookPanel | null = null;

  forEach(visit: (panel: NotebookPanel) => void): void {
    this.panels.forEach(visit);
  }

  show(context: Context<INotebookModel>): NotebookPanel {
    const panel = { context, isDisposed: false } as unknown as NotebookPanel;
    Object.assign(panel, { disposed: new Signal(panel) });
    this.panels.push(panel);
    this.widgetAdded.emit(panel);
    return panel;
  }
}

describe('the notebooks that a page has open', () => {
  const files = new FakeContents();
  let server: FakeServer;
  let store: AnalystStore;
  let page: Page;
  let live: LiveNotebooks;

  const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(300);
  const reports = (): Command[] => server.commands.filter(one => one.type.startsWith('report_'));
  const open = async (path: string, metadata: object = NOTES): Promise<Context<INotebookModel>> => {
    files.write(path, book(metadata));
    const context = await files.open(path);
    page.show(context);
    await settle();
    return context;
  };

  beforeEach(async () => {
    vi.useFakeTimers();
    server = new FakeServer();
    store = server.connect();
    page = new Page();
    live = new LiveNotebooks({
      store,
      notebooks: page as unknown as INotebookTracker,
      contents: files.manager,
      tab: 'tab-1',
      isActive: panel => panel === page.active
    });
    await settle();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  const REPORT = {
    type: 'report_notebook',
    analysis: 'a',
    tab: 'tab-1',
    path: 'a.ipynb',
    open: true,
    dirty: false,
    busy: false,
    collaborative: false,
    active: false
  };

  it('are reported when they are opened, changed, activated and closed', async () => {
    const context = await open('a.ipynb');
    expect(reports()).toEqual([REPORT]);
    context.model.sharedModel.getCell(0).setSource('mine');
    await settle();
    expect(reports().at(-1)).toEqual({ ...REPORT, dirty: true });
    page.active = page.panels[0] ?? null;
    live.reportAll();
    await settle();
    expect(reports().at(-1)).toEqual({ ...REPORT, dirty: true, active: true });
    const count = reports().length;
    context.model.sharedModel.getCell(0).setSource('more');
    await settle();
    expect(reports()).toHaveLength(count);
    await vi.advanceTimersByTimeAsync(HEARTBEAT);
    expect(reports().length).toBeGreaterThan(count);
    context.dispose();
    await settle();
    expect(reports().at(-1)).toEqual({ ...REPORT, open: false, dirty: true });
  });

  it('are not reported until they belong to an analysis', async () => {
    const context = await open('b.ipynb', LANGUAGE);
    expect(reports()).toEqual([]);
    context.model.setMetadata('analyst_kernel', { analysis: 'b' });
    await settle();
    expect(reports().at(-1)).toMatchObject({ analysis: 'b', path: 'b.ipynb' });
  });

  it('belong to the analysis of their file, whether their metadata names it or not', async () => {
    await open('c.ipynb', LANGUAGE);
    server.add('c', [], { notebook: 'c.ipynb' });
    const summary = server.summaries.get('c');
    expect(summary).toBeDefined();
    if (summary !== undefined) {
      server.wire.push({ type: 'analysis_changed', summary });
    }
    await settle();
    expect(reports().at(-1)).toMatchObject({ analysis: 'c', path: 'c.ipynb' });
  });

  it('are reported again after the connection broke', async () => {
    await open('a.ipynb');
    const before = reports().length;
    server.wire.drop();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(reports().length).toBeGreaterThan(before);
    expect(reports().at(-1)).toEqual(REPORT);
  });

  it('load their changed files after the computer slept', async () => {
    const context = await open('a.ipynb');
    files.write('a.ipynb', book({ ...NOTES, more: 1 }));
    vi.setSystemTime(Date.now() + 3_600_000);
    await vi.advanceTimersByTimeAsync(HEARTBEAT);
    expect(context.model.getMetadata('more')).toBe(1);
  });

  it('answer the requests for their own path only', async () => {
    await open('a.ipynb');
    await open('copy.ipynb');
    const frame = { analysis: 'a', path: 'a.ipynb' };
    server.wire.push({ type: 'read_notebook', ...frame, read: 4 });
    await settle();
    expect(reports().at(-1)).toMatchObject({ type: 'report_document', read: 4, dirty: false });
    const cell = { id: 'y', cell_type: 'code', source: '2', metadata: {}, outputs: [] };
    const place = { after: 'x', at_end: false, expects: null };
    const change = { change: 'put_cell', cell, ...place } as const;
    server.wire.push({ type: 'write_notebook', ...frame, write: 5, changes: [change] });
    await settle();
    expect(reports()).toContainEqual({
      type: 'report_write',
      analysis: 'a',
      write: 5,
      outcome: 'saved',
      hash: files.files.get('a.ipynb')?.hash,
      document: null
    });
    expect(JSON.stringify(files.files.get('copy.ipynb'))).not.toContain('"y"');
    files.write('a.ipynb', book({ ...NOTES, more: 1 }));
    server.wire.push({ type: 'notebook_changed', ...frame, hash: 'another' });
    await settle();
    server.wire.push({ type: 'read_notebook', ...frame, read: 6 });
    await settle();
    expect(JSON.stringify(reports().at(-1))).toContain('"more":1');
  });
});

describe('a tab’s name', () => {
  it('survives a reload, and is not copied with the tab', () => {
    const storage = window.sessionStorage;
    const before = new EventTarget();
    const name = tabName(storage, before);
    // A duplicate gets a copy of the storage while the first tab is open.
    const copied = tabName(storage, new EventTarget());
    expect(copied).not.toBe(name);
    before.dispatchEvent(new Event('pagehide'));
    expect(tabName(storage, new EventTarget())).toBe(name);
  });
});

describe('the notice of a file that changed', () => {
  const trans = nullTranslator.load('analyst_kernel');
  const rebased = { path: 'RTC:a/b.ipynb', hadEdits: false, conflicts: [], foreign: false };

  it.each([
    [rebased, null],
    [{ ...rebased, foreign: true }, '“b.ipynb” changed on disk and was loaded again.'],
    [
      { ...rebased, hadEdits: true },
      '“b.ipynb” changed on disk. Those changes and your edits are now both in it.'
    ]
  ])('matches the change', (what, text) => {
    expect(rebaseNotice(what, trans)).toBe(text);
  });

  it('says where both versions of a cell are', () => {
    expect(rebaseNotice({ ...rebased, conflicts: ['x'] }, trans)).toMatch(
      /^“b.ipynb” changed on disk while you edited the same cell\. Your text stays;/
    );
  });
});

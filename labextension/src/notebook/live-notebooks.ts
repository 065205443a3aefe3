/**
 * The open notebooks of analyses in this tab. Reports each to the server, which keeps a lease, and
 * passes the server's requests to the right notebook.
 */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import type { Command, ReportNotebook } from '../protocol/generated';
import type { IAnalystStore, NotebookFrame } from '../tokens';
import { isObject, KEY } from './document';
import { LiveNotebook, type NotebookContext, type Rebase } from './live-notebook';

/** How often an open notebook is reported again (milliseconds). */
export const HEARTBEAT = 20_000;

/** What the notebooks work with. */
export interface LiveOptions {
  readonly store: IAnalystStore;
  readonly notebooks: INotebookTracker;
  readonly contents: Contents.IManager;
  /** The name of this tab, which stays the same after a reload. */
  readonly tab: string;
  /** Return whether a panel is the current document of a focused page. */
  readonly isActive: (panel: NotebookPanel) => boolean;
}

/** How a notebook was merged with its changed file. */
export interface NotebookRebase extends Rebase {
  readonly path: string;
}

/** One context with its panels; `live` is set while an analysis owns the notebook. */
interface Open {
  readonly panels: Set<NotebookPanel>;
  live: { readonly analysis: string; readonly notebook: LiveNotebook } | null;
  /** The last report as text; empty if the server has no report since it was connected. */
  reported: string;
  last: ReportNotebook | null;
  planned: boolean;
}

/** Created once per page. */
export class LiveNotebooks {
  private readonly open = new Map<NotebookContext, Open>();
  private readonly _rebased = new Signal<this, NotebookRebase>(this);

  constructor(private readonly options: LiveOptions) {
    const { store, notebooks } = options;
    notebooks.forEach(panel => {
      this.follow(panel);
    });
    notebooks.widgetAdded.connect((_, panel) => {
      this.follow(panel);
    });
    notebooks.currentChanged.connect(() => {
      this.reportAll();
    });
    // A notebook gets an analysis when a question is asked about it.
    store.changed.connect(() => {
      for (const context of this.open.keys()) {
        this.identify(context);
      }
    });
    store.connected.connect(() => {
      this.wake();
    });
    store.notebookRequested.connect((_, frame) => {
      this.answer(frame);
    });
    // This also recovers a page that slept and missed a frame of the server.
    setInterval(() => {
      this.wake();
    }, HEARTBEAT);
  }

  /** How a notebook was merged with its changed file. */
  get rebased(): ISignal<this, NotebookRebase> {
    return this._rebased;
  }

  /** Report every notebook whose state has changed since its last report. */
  reportAll(): void {
    for (const context of this.open.keys()) {
      this.plan(context);
    }
  }

  /** Report everything and check the files, after a pause of the page or the connection. */
  wake(): void {
    for (const [context, open] of this.open) {
      open.reported = '';
      this.report(context);
      void open.live?.notebook.changedOnDisk();
    }
  }

  private follow(panel: NotebookPanel): void {
    const { context } = panel;
    void context.ready.then(() => {
      if (context.isDisposed || panel.isDisposed) {
        return;
      }
      const known = this.open.get(context);
      if (known === undefined) {
        this.begin(context, panel);
      } else {
        known.panels.add(panel);
      }
      panel.disposed.connect(() => {
        this.open.get(context)?.panels.delete(panel);
      });
    });
  }

  private begin(context: NotebookContext, panel: NotebookPanel): void {
    this.open.set(context, {
      panels: new Set([panel]),
      live: null,
      reported: '',
      last: null,
      planned: false
    });
    const identify = (): void => {
      this.identify(context);
    };
    const plan = (): void => {
      this.plan(context);
    };
    context.model.metadataChanged.connect(identify);
    context.pathChanged.connect(identify);
    context.model.stateChanged.connect(plan);
    // The status changes when cells start and stop running.
    context.sessionContext.statusChanged.connect(plan);
    context.model.contentChanged.connect(plan);
    context.disposed.connect(() => {
      this.close(context);
      this.open.delete(context);
    });
    this.identify(context);
  }

  /** Find the analysis of a notebook, and follow the notebook if it has one. */
  private identify(context: NotebookContext): void {
    const open = this.open.get(context);
    if (open === undefined || context.isDisposed) {
      return;
    }
    const analysis = this.analysisOf(context);
    if (analysis !== (open.live?.analysis ?? null)) {
      this.close(context);
      if (analysis !== null) {
        const notebook = new LiveNotebook(context, this.options.contents);
        open.live = { analysis, notebook };
        this.listen(analysis, notebook);
      }
    }
    this.plan(context);
  }

  private analysisOf(context: NotebookContext): string | null {
    const path = context.localPath;
    const { store } = this.options;
    const known = store.analyses.find(summary => summary.notebook === path);
    if (known !== undefined) {
      return known.id;
    }
    const notes = context.model.getMetadata(KEY) as unknown;
    return isObject(notes) && typeof notes.analysis === 'string' ? notes.analysis : null;
  }

  private listen(analysis: string, notebook: LiveNotebook): void {
    notebook.writeSettled.connect((_, result) => {
      this.send({
        type: 'report_write',
        analysis,
        write: result.write,
        outcome: result.outcome,
        hash: result.hash,
        document: result.document
      });
    });
    notebook.rebased.connect((_, rebase) => {
      this._rebased.emit({ ...rebase, path: notebook.context.path });
    });
  }

  private close(context: NotebookContext): void {
    const open = this.open.get(context);
    if (open === undefined || open.live === null) {
      return;
    }
    open.live.notebook.dispose();
    open.live = null;
    const { last } = open;
    open.last = null;
    open.reported = '';
    if (last !== null) {
      this.send({ ...last, open: false, active: false });
    }
  }

  private answer(frame: NotebookFrame): void {
    for (const [context, { live }] of this.open) {
      if (live?.analysis !== frame.analysis || context.localPath !== frame.path) {
        continue;
      }
      const { notebook } = live;
      switch (frame.type) {
        case 'write_notebook':
          void notebook.write(frame);
          return;
        case 'notebook_changed':
          void notebook.changedOnDisk(frame.hash);
          return;
        case 'read_notebook':
          this.send({
            type: 'report_document',
            analysis: frame.analysis,
            read: frame.read,
            document: notebook.document(),
            dirty: notebook.dirty
          });
          return;
        default: {
          const rest: never = frame;
          throw new Error(`Unknown frame ${JSON.stringify(rest)}`);
        }
      }
    }
    // It was closed or renamed since. A report of what is open makes the server ask elsewhere.
    for (const [context, open] of this.open) {
      open.reported = '';
      this.plan(context);
    }
  }

  /** Report in a microtask, so that simultaneous changes make one report. */
  private plan(context: NotebookContext): void {
    const open = this.open.get(context);
    if (open === undefined || open.planned || open.live === null) {
      return;
    }
    open.planned = true;
    queueMicrotask(() => {
      open.planned = false;
      this.report(context);
    });
  }

  private report(context: NotebookContext): void {
    const open = this.open.get(context);
    if (open === undefined || open.live === null || context.isDisposed) {
      return;
    }
    const { analysis, notebook } = open.live;
    const report: ReportNotebook = {
      type: 'report_notebook',
      analysis,
      tab: this.options.tab,
      path: context.localPath,
      open: true,
      dirty: notebook.dirty,
      busy: notebook.busy,
      collaborative: notebook.collaborative,
      active: [...open.panels].some(panel => this.options.isActive(panel))
    };
    const text = JSON.stringify(report);
    if (text === open.reported) {
      return;
    }
    open.reported = text;
    open.last = report;
    this.send(report);
    if (!report.busy && !report.dirty) {
      void notebook.catchUp();
    }
  }

  /** Send a command. A failure is ignored, because the next connection reports everything again. */
  private send(command: Command): void {
    this.options.store.send(command).catch(() => undefined);
  }
}

/** The panels, and the actions of JupyterLab that they use; built once by the panel's plugin. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import {
  Dialog,
  MainAreaWidget,
  Notification,
  showDialog,
  WidgetTracker
} from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog } from '@jupyterlab/filebrowser';
import { NotebookPanel, type INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { AnalystFault } from '../client/errors';
import type { BranchPoint } from '../client/rest';
import { download } from '../panel/charts/save-chart';
import type { PanelActions } from '../panel/services';
import { PanelWidget } from '../panel/shell/panel-widget';
import { PanelModel } from '../session/panel-model';
import type { AskDefaults } from '../session/state';
import type { IAnalystPanels, IAnalystStore } from '../tokens';
import { analystIcon } from './icon';

/** What the panels are made of. Without an optional service, what needs it is absent. */
export interface PanelSetOptions {
  readonly app: JupyterFrontEnd;
  readonly store: IAnalystStore;
  readonly rendermime: IRenderMimeRegistry;
  readonly trans: TranslationBundle;
  readonly documents: IDocumentManager | null;
  readonly notebooks: INotebookTracker | null;
  /** Whether the main area holds several tabs. */
  readonly hasTabs: boolean;
  readonly openSettings: (() => void) | null;
  /** Return the folder that the file browser shows. */
  readonly folder: () => string | null;
}

/** A tab of the main area that shows one analysis. */
export type AnalysisTab = MainAreaWidget<PanelWidget>;

/** The sidebar and the tabs. */
export class PanelSet implements IAnalystPanels {
  readonly widget: PanelWidget;
  readonly tabs = new WidgetTracker<AnalysisTab>({ namespace: 'analyst-analysis' });
  readonly chooseFiles: IAnalystPanels['chooseFiles'];
  private defaults: AskDefaults | null = null;

  constructor(private readonly options: PanelSetOptions) {
    const { documents, trans } = options;
    this.chooseFiles = documents === null ? null : () => chooseFiles(documents, trans);
    this.widget = this.panel();
    this.widget.id = 'analyst-panel';
    this.widget.title.icon = analystIcon;
    this.widget.title.caption = trans.__('Analyst');
    this.widget.node.setAttribute('aria-label', trans.__('Analyst'));
  }

  get hasTabs(): boolean {
    return this.options.hasTabs;
  }

  get sidebar(): PanelModel {
    return this.widget.services.model;
  }

  applyDefaults(defaults: AskDefaults): void {
    this.defaults = defaults;
    for (const model of this.models) {
      model.defaults = defaults;
    }
  }

  /** The models of all panels. */
  get models(): readonly PanelModel[] {
    const models = [this.sidebar];
    this.tabs.forEach(tab => models.push(tab.content.services.model));
    return models;
  }

  activate(): void {
    this.options.app.shell.activateById(this.widget.id);
    this.sidebar.focusQuestion();
  }

  current(): PanelModel {
    const tab = this.tabs.currentWidget;
    const front = tab !== null && tab === this.options.app.shell.currentWidget && tab.isVisible;
    return front ? tab.content.services.model : this.sidebar;
  }

  openBeside(analysis: string): void {
    this.tab(analysis);
  }

  /** Return the tab of an analysis, which is opened if necessary. */
  tab(analysis: string): AnalysisTab {
    const { app, store, trans } = this.options;
    const open = this.tabs.find(tab => tab.content.services.model.analysis === analysis);
    if (open !== undefined) {
      app.shell.activateById(open.id);
      return open;
    }
    const content = this.panel();
    content.services.model.show(analysis);
    const tab = new MainAreaWidget({ content });
    tab.id = `analyst-tab-${analysis}`;
    tab.title.icon = analystIcon;
    tab.title.closable = true;
    const name = (): void => {
      const title = store.summary(content.services.model.analysis ?? '')?.title;
      tab.title.label = title === undefined || title === '' ? trans.__('Analyst') : title;
    };
    content.services.model.changed.connect(name);
    name();
    app.shell.add(tab, 'main', { mode: 'split-right' });
    void this.tabs.add(tab);
    return tab;
  }

  isShown(analysis: string): boolean {
    if (document.hidden) {
      return false;
    }
    const shows = (panel: PanelWidget): boolean =>
      panel.isVisible && panel.services.model.analysis === analysis;
    return shows(this.widget) || this.tabs.find(tab => shows(tab.content)) !== undefined;
  }

  async openNotebook(analysis: string, cell?: string): Promise<void> {
    const { documents, notebooks, store, trans } = this.options;
    const summary = store.summary(analysis);
    if (documents === null || summary === null) {
      return;
    }
    if (summary.notebook === null) {
      throw new AnalystFault(
        trans.__('The notebook lies outside the folder that is open here.'),
        summary.notebook_path
      );
    }
    await openNotebookAt(documents, notebooks, summary.notebook, cell ?? null);
  }

  async showNotebook(path: string): Promise<void> {
    const { store } = this.options;
    this.activate();
    const known = store.analyses.find(analysis => analysis.notebook === path);
    this.sidebar.show(known?.id ?? (await store.create({ notebook: path })).id);
  }

  async branch(analysis: string, from: BranchPoint = {}): Promise<void> {
    const made = await this.options.store.branch(analysis, from);
    this.sidebar.show(made.id);
    this.activate();
  }

  async exportAnalysis(
    analysis: string,
    to: 'ipynb' | 'html' | 'py',
    clean: boolean
  ): Promise<void> {
    const { store, trans } = this.options;
    // A clean notebook is re-run before it is exported, which takes as long as its cells do.
    const notice = Notification.emit(trans.__('Exporting …'), 'in-progress', { autoClose: false });
    try {
      const { name, content, verified } = await store.rest.export(analysis, to, clean);
      download(content, name);
      const message =
        verified === ''
          ? trans.__('Exported: %1', name)
          : trans.__('Exported: %1. Run again before: %2.', name, verified);
      Notification.update({ id: notice, message, type: 'success', autoClose: 4000 });
    } catch (reason) {
      Notification.dismiss(notice);
      throw reason;
    }
  }

  private panel(): PanelWidget {
    const { store, rendermime, trans } = this.options;
    const model = new PanelModel(store);
    model.folder = this.options.folder;
    model.defaults = this.defaults ?? model.defaults;
    return new PanelWidget({ model, trans, rendermime, actions: this.actions(model) });
  }

  private actions(model: PanelModel): PanelActions {
    const { documents, openSettings } = this.options;
    const shown = (task: Promise<void>): void => {
      task.catch((reason: unknown) => {
        model.report(reason);
      });
    };
    return {
      openNotebook:
        documents === null
          ? null
          : (analysis, cell) => {
              shown(this.openNotebook(analysis, cell));
            },
      chooseFiles: this.chooseFiles,
      openBeside: this.hasTabs
        ? analysis => {
            this.openBeside(analysis);
          }
        : null,
      openSettings,
      exportAnalysis: (analysis, to, clean) => {
        shown(this.exportAnalysis(analysis, to, clean));
      },
      branch: (analysis, from) => {
        shown(this.branch(analysis, from));
      },
      notify: message => {
        Notification.emit(message, 'default', { autoClose: 2500 });
      }
    };
  }
}

/** Let the user choose files or a folder; returns paths below the server's root. */
export async function chooseFiles(
  documents: IDocumentManager,
  trans: TranslationBundle
): Promise<readonly string[]> {
  const result = await FileDialog.getOpenFiles({
    manager: documents,
    title: trans.__('Attach data'),
    label: trans.__('The analysis may read what you choose, and nothing else.')
  });
  const chosen = result.button.accept ? (result.value ?? []) : [];
  const folder = chosen.find(item => item.type === 'directory');
  // Without a selection the dialog returns the folder that it shows, and a grant must be meant.
  if (folder !== undefined && !(await confirmFolder(folder.path, trans))) {
    return [];
  }
  const contents = documents.services.contents;
  return chosen.map(item => contents.localPath(item.path));
}

async function confirmFolder(path: string, trans: TranslationBundle): Promise<boolean> {
  const name = path === '' ? trans.__('the root folder') : path;
  const { button } = await showDialog({
    title: trans.__('Attach a whole folder?'),
    body: trans.__('The analysis may then read every file in %1.', name),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Attach folder') })
    ]
  });
  return button.accept;
}

/**
 * Open a notebook, or bring its tab to the front. The server has created its session before, so
 * the tab connects to the running kernel.
 *
 * @param path - Below the server's root.
 * @param cell - Id of the cell to show, or `null`.
 */
export async function openNotebookAt(
  documents: IDocumentManager,
  notebooks: INotebookTracker | null,
  path: string,
  cell: string | null
): Promise<void> {
  const known = notebooks?.find(panel => panel.context.localPath === path);
  const widget = documents.openOrReveal(known?.context.path ?? path);
  if (!(widget instanceof NotebookPanel)) {
    return;
  }
  await widget.context.ready;
  await widget.revealed;
  if (cell !== null) {
    await showCell(widget, cell);
  }
}

/** Activate a cell and bring it into view, if the notebook contains it. */
export async function showCell(panel: NotebookPanel, cell: string): Promise<void> {
  const { content } = panel;
  const index = content.widgets.findIndex(widget => widget.model.id === cell);
  if (index < 0) {
    return;
  }
  content.deselectAll();
  content.activeCellIndex = index;
  await content.scrollToItem(index, 'center');
}

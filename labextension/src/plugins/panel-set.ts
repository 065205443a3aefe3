/** The panels and what they ask of JupyterLab; built once by the panel's plugin. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, Notification, WidgetTracker } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { AnalystFault } from '../client/errors';
import type { BranchPoint } from '../client/rest';
import { openNotebookAt } from '../notebook/open-notebook';
import { PanelWidget } from '../panel/panel-widget';
import { download } from '../panel/save-chart';
import type { PanelActions } from '../panel/services';
import { PanelModel } from '../session/panel-model';
import type { IAnalystPanels, IAnalystStore } from '../tokens';
import { chooseFiles } from './choose-files';
import { analystIcon } from './icon';

/** What the set is made of. Absent services leave out what needs them. */
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
  /** The folder that the file browser shows. */
  readonly folder: () => string | null;
}

/** A tab of the main area that shows one analysis. */
export type AnalysisTab = MainAreaWidget<PanelWidget>;

/** The sidebar and the tabs. */
export class PanelSet implements IAnalystPanels {
  readonly widget: PanelWidget;
  readonly tabs = new WidgetTracker<AnalysisTab>({ namespace: 'analyst-analysis' });
  readonly chooseFiles: IAnalystPanels['chooseFiles'];

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

  /** Every panel there is now. */
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

  /** The tab of an analysis, which is made where there is none. */
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
    // A clean notebook is re-run before it is handed out, which takes as long as its cells do.
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
      tell: message => {
        Notification.emit(message, 'default', { autoClose: 2500 });
      }
    };
  }
}

/** A button that opens the panel in Notebook 7, which has no tabs at the edge of the page. */
import {
  ILabShell,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { IAnalystPanels, IAnalystStore, PACKAGE } from '../tokens';
import { analystIcon } from './icon';

/** Right of the menus, left of the kernel's state. */
const RANK = 10_000;

/** Adds the button, and shows the analysis of the page's notebook. */
export const notebookAppPlugin: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:notebook-app`,
  description: 'Makes the Analyst panel easy to find in Notebook 7.',
  autoStart: true,
  requires: [IAnalystStore, IAnalystPanels],
  optional: [ILabShell, INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    store: IAnalystStore,
    panels: IAnalystPanels,
    lab: ILabShell | null,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null
  ): void => {
    if (lab !== null) {
      return; // JupyterLab shows the panel's tab at its edge
    }
    const trans = (translator ?? nullTranslator).load('analyst_kernel');
    const node = document.createElement('button');
    node.type = 'button';
    node.title = trans.__('Ask about your data');
    node.append(analystIcon.element({ tag: 'span' }), trans.__('Analyst'));
    const button = new Widget({ node });
    button.id = 'analyst-button';
    button.addClass('ak-OpenPanel');
    node.addEventListener('click', () => {
      panels.activate();
    });
    app.shell.add(button, 'menu', { rank: RANK });
    notebooks?.widgetAdded.connect((_, panel) => {
      void showOwn(panel, store, panels);
    });
  }
};

/** Show the analysis of this page's notebook, if it has one. */
async function showOwn(
  panel: NotebookPanel,
  store: IAnalystStore,
  panels: IAnalystPanels
): Promise<void> {
  await panel.context.ready;
  const show = (): void => {
    if (!store.listed) {
      return;
    }
    store.changed.disconnect(show);
    const own = store.analyses.find(one => one.notebook === panel.context.localPath);
    if (own !== undefined) {
      panels.sidebar.show(own.id);
    }
  };
  store.changed.connect(show);
  show();
}

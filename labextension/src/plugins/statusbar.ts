/** An item of the status bar: how many analyses run, and how many wait for the user. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { IAnalystPanels, IAnalystStore, PACKAGE } from '../tokens';

export const statusbarPlugin: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:statusbar`,
  description: 'Shows running analyses in the status bar.',
  autoStart: true,
  requires: [IAnalystStore, IAnalystPanels],
  // Notebook 7 has no status bar.
  optional: [IStatusBar, ITranslator],
  activate: (
    _: JupyterFrontEnd,
    store: IAnalystStore,
    panels: IAnalystPanels,
    bar: IStatusBar | null,
    translator: ITranslator | null
  ): void => {
    if (bar === null) {
      return;
    }
    const trans = (translator ?? nullTranslator).load('analyst_kernel');
    const item = new Widget({ node: document.createElement('button') });
    item.addClass('ak-StatusItem');
    item.node.setAttribute('type', 'button');
    const update = (): void => {
      const text = statusText(store, trans);
      if (item.node.textContent !== text) {
        item.node.textContent = text;
      }
    };
    item.node.addEventListener('click', () => {
      const waiting = store.analyses.find(a => a.state === 'waiting' || a.state === 'running');
      if (waiting !== undefined) {
        panels.sidebar.show(waiting.id);
      }
      panels.activate();
    });
    store.changed.connect(update);
    update();
    bar.registerStatusItem(`${PACKAGE}:status`, {
      item,
      align: 'right',
      rank: 80,
      isActive: () => store.analyses.some(a => a.state === 'running' || a.state === 'waiting'),
      activeStateChanged: store.changed
    });
  }
};

function statusText(store: IAnalystStore, trans: TranslationBundle): string {
  const running = store.analyses.filter(analysis => analysis.state === 'running').length;
  const waiting = store.analyses.filter(analysis => analysis.state === 'waiting').length;
  const parts = [
    waiting > 0 ? trans._n('%1 waits for you', '%1 wait for you', waiting) : '',
    running > 0 ? trans._n('%1 running', '%1 running', running) : ''
  ].filter(part => part !== '');
  return `${trans.__('Analyst')}: ${parts.join(', ')}`;
}

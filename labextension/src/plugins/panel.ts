/** The sidebar, and tabs of the main area; both are restored after a reload. */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { PageConfig } from '@jupyterlab/coreutils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { withoutDrive } from '../panel/shell/panel-widget';
import { IAnalystPanels, IAnalystStore, PACKAGE } from '../tokens';
import { CommandIds, SETTINGS_ID } from './ids';
import { PanelSet } from './panel-set';

const KEY = `${PACKAGE}:sidebar`;
const SEEN = `${PACKAGE}:seen`;
/** The width in pixels from which a page has room for both sidebars and the main area. */
const WIDE = 1000;

export const panelPlugin: JupyterFrontEndPlugin<IAnalystPanels> = {
  id: `${PACKAGE}:panel`,
  description: 'The Analyst sidebar.',
  autoStart: true,
  requires: [IAnalystStore, IRenderMimeRegistry],
  optional: [
    ITranslator,
    ILayoutRestorer,
    IStateDB,
    IDocumentManager,
    INotebookTracker,
    IDefaultFileBrowser,
    ILabShell
  ],
  provides: IAnalystPanels,
  activate: (
    app: JupyterFrontEnd,
    store: IAnalystStore,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    stateDb: IStateDB | null,
    documents: IDocumentManager | null,
    notebooks: INotebookTracker | null,
    browser: IDefaultFileBrowser | null,
    lab: ILabShell | null
  ): IAnalystPanels => {
    const trans = (translator ?? nullTranslator).load('analyst_kernel');
    const openSettings = (): void => {
      void app.commands.execute('settingeditor:open', { query: SETTINGS_ID });
    };
    const panels = new PanelSet({
      app,
      store,
      rendermime,
      trans,
      documents,
      notebooks,
      // A page of Notebook 7 shows one document and has no tabs.
      hasTabs: lab !== null,
      folder: () => (browser === null ? null : withoutDrive(browser.model.path)),
      openSettings: app.hasPlugin('@jupyterlab/settingeditor-extension:form-ui')
        ? openSettings
        : null
    });
    app.shell.add(panels.widget, 'right', { rank: 500, type: 'Analyst' });
    restorer?.add(panels.widget, 'analyst-panel');
    if (restorer !== null) {
      void restorer.restore(panels.tabs, {
        command: CommandIds.openBeside,
        args: tab => ({ analysis: tab.content.services.model.analysis ?? '' }),
        name: tab => tab.content.services.model.analysis ?? ''
      });
    }
    if (stateDb !== null) {
      void keepCurrent(panels, stateDb);
      if (lab !== null) {
        void openOnce(app, panels, stateDb);
      }
    }
    // The panels of a deleted analysis become empty instead of waiting for it.
    store.changed.connect(() => {
      for (const model of panels.models) {
        const { analysis } = model;
        if (store.listed && analysis !== null && store.summary(analysis) === null) {
          model.show(null);
        }
      }
    });
    return panels;
  }
};

/** Open the sidebar once for a new user; from then on the user's own layout holds. */
async function openOnce(app: JupyterFrontEnd, panels: PanelSet, stateDb: IStateDB): Promise<void> {
  const seen = await stateDb.fetch(SEEN).catch(() => true);
  if (seen !== undefined) {
    return;
  }
  await app.restored;
  if (window.innerWidth >= WIDE) {
    panels.activate();
  }
  await stateDb.save(SEEN, true);
}

/** Show the last shown analysis, then store which analysis is shown. */
async function keepCurrent(panels: PanelSet, stateDb: IStateDB): Promise<void> {
  const model = panels.sidebar;
  // JupyterLab saves its state with a delay, which a reload right after a question would cut off.
  const saved = readLastShown() ?? (await stateDb.fetch(KEY).catch(() => undefined));
  if (typeof saved === 'string' && saved !== '' && model.analysis === null) {
    model.show(saved);
  }
  let known = model.analysis;
  model.changed.connect(() => {
    if (model.analysis !== known) {
      known = model.analysis;
      writeLastShown(known ?? '');
      void stateDb.save(KEY, known ?? '');
    }
  });
}

/** Return the analysis that this browser tab showed last; `null` in a new tab. */
function readLastShown(): string | null {
  try {
    return window.sessionStorage.getItem(`${KEY}:${PageConfig.getBaseUrl()}`);
  } catch {
    return null; // the browser offers no storage to this page
  }
}

function writeLastShown(analysis: string): void {
  try {
    window.sessionStorage.setItem(`${KEY}:${PageConfig.getBaseUrl()}`, analysis);
  } catch {
    // Without storage, JupyterLab's own state is used.
  }
}

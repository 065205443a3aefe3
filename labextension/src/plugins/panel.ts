/** The sidebar, and tabs of the main area; both come back after a reload. */
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
/** Pixels of a page that has room for both sidebars and what is between them. */
const WIDE = 1000;

/** Provides the panels. */
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
      // Notebook 7 shows one document in a page: it has no room for tabs.
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
    // An analysis that is gone leaves its panels empty, not waiting.
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

/** Open the sidebar where nobody has seen it yet; from then on the layout is the person's own. */
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

/** Show the analysis of last time, then remember which one is shown. */
async function keepCurrent(panels: PanelSet, stateDb: IStateDB): Promise<void> {
  const model = panels.sidebar;
  // JupyterLab saves its state a moment later; a reload right after a question must not miss it.
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

/** What this browser tab showed last, also right before a reload; `null` in a new tab. */
function readLastShown(): string | null {
  try {
    return window.sessionStorage.getItem(`${KEY}:${PageConfig.getBaseUrl()}`);
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

function writeLastShown(analysis: string): void {
  try {
    window.sessionStorage.setItem(`${KEY}:${PageConfig.getBaseUrl()}`, analysis);
  } catch {
    // Then JupyterLab's own state is all there is.
  }
}

/** "Fix with Analyst" and "Ask Analyst about this cell" in notebooks. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { cellFacts, cellQuestion, repairQuestion } from '../notebook/cell-facts';
import { watchErrors } from '../notebook/error-buttons';
import { IAnalystPanels, PACKAGE } from '../tokens';
import { CommandIds } from './ids';
import { analystIcon } from './icon';

/** Adds both commands, and a button below each error. */
export const cellCommandsPlugin: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:cell-commands`,
  description: 'Asks about cells of notebooks.',
  autoStart: true,
  requires: [IAnalystPanels],
  optional: [INotebookTracker, ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    panels: IAnalystPanels,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ): void => {
    if (notebooks === null) {
      return;
    }
    const { commands } = app;
    const trans = (translator ?? nullTranslator).load('analyst_kernel');

    const fix = (panel: NotebookPanel, cell: Cell): Promise<unknown> =>
      panels.sidebar.attempt(async () => {
        await panels.showNotebook(panel.context.localPath);
        await panels.sidebar.ask(repairQuestion(cellFacts(cell), panel.context.localPath));
      });
    const ask = (panel: NotebookPanel, cell: Cell): Promise<unknown> =>
      panels.sidebar.attempt(async () => {
        await panels.showNotebook(panel.context.localPath);
        panels.sidebar.draft = cellQuestion(cellFacts(cell), panel.context.localPath);
      });
    const onActive = async (
      task: (panel: NotebookPanel, cell: Cell) => Promise<unknown>
    ): Promise<void> => {
      const { currentWidget: panel, activeCell: cell } = notebooks;
      if (panel !== null && cell !== null) {
        await task(panel, cell);
      }
    };
    const failed = (): boolean =>
      notebooks.activeCell !== null && cellFacts(notebooks.activeCell).error !== null;

    commands.addCommand(CommandIds.askAboutCell, {
      label: trans.__('Ask Analyst about This Cell'),
      icon: analystIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      isEnabled: () => notebooks.activeCell !== null,
      execute: () => onActive(ask)
    });
    commands.addCommand(CommandIds.showNotebook, {
      label: trans.__('Show the Analysis of This Notebook'),
      caption: trans.__('Go on in the sidebar with what this notebook holds'),
      icon: analystIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      isEnabled: () => notebooks.currentWidget !== null,
      execute: async () => {
        const panel = notebooks.currentWidget;
        if (panel !== null) {
          await panels.sidebar.attempt(() => panels.showNotebook(panel.context.localPath));
        }
      }
    });
    commands.addCommand(CommandIds.fixError, {
      label: trans.__('Fix with Analyst'),
      icon: analystIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      isVisible: failed,
      isEnabled: failed,
      execute: () => onActive(fix)
    });
    notebooks.activeCellChanged.connect(() => {
      commands.notifyCommandChanged(CommandIds.fixError);
    });
    watchErrors(notebooks, trans.__('Fix with Analyst'), (panel, cell) => void fix(panel, cell));
    for (const command of [CommandIds.askAboutCell, CommandIds.fixError, CommandIds.showNotebook]) {
      palette?.addItem({ command, category: trans.__('Analyst') });
    }
  }
};

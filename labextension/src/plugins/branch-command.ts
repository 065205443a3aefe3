/** "Branch the Analysis from Here": at the active cell of a notebook, or at the end of an analysis. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IAnalystPanels, IAnalystStore, PACKAGE } from '../tokens';
import { CommandIds } from './ids';
import { analystIcon } from './icon';

export const branchCommandPlugin: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:branch-command`,
  description: 'Starts an analysis from a cell of another analysis.',
  autoStart: true,
  requires: [IAnalystStore, IAnalystPanels],
  optional: [INotebookTracker, ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    store: IAnalystStore,
    panels: IAnalystPanels,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('analyst_kernel');

    /** Return the notebook in front and its active cell. */
    const inFront = (): { panel: NotebookPanel; cell: string } | null => {
      const panel = notebooks?.currentWidget ?? null;
      const cell = notebooks?.activeCell ?? null;
      const front = panel !== null && panel === app.shell.currentWidget && panel.isVisible;
      return front && cell !== null ? { panel, cell: cell.model.id } : null;
    };
    const fromNotebook = async (panel: NotebookPanel, cell: string): Promise<void> => {
      const { context } = panel;
      if (context.model.dirty && !context.model.readOnly) {
        // The server branches the saved notebook, and the user means the visible one.
        await context.save();
      }
      const path = context.localPath;
      const known = store.analyses.find(analysis => analysis.notebook === path);
      const id = known?.id ?? (await store.create({ notebook: path })).id;
      await panels.branch(id, { cell });
    };

    app.commands.addCommand(CommandIds.branch, {
      label: trans.__('Branch the Analysis from Here'),
      caption: trans.__('Start a new analysis with the cells up to here and their variables'),
      icon: analystIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            analysis: { description: 'Which analysis' },
            cell: { description: 'Where to branch; its last cell otherwise' }
          }
        }
      },
      isEnabled: () => inFront() !== null || panels.current().analysis !== null,
      execute: async args => {
        const { analysis, cell } = args;
        const front = inFront();
        await panels.current().attempt(async () => {
          if (typeof analysis !== 'string' && typeof cell !== 'string' && front !== null) {
            await fromNotebook(front.panel, front.cell);
            return;
          }
          const id = typeof analysis === 'string' ? analysis : panels.current().analysis;
          if (id !== null) {
            await panels.branch(id, typeof cell === 'string' ? { cell } : {});
          }
        });
      }
    });
    palette?.addItem({ command: CommandIds.branch, category: trans.__('Analyst') });
  }
};

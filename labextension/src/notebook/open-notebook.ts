/** Opens an analysis's notebook and shows one of its cells. */
import type { IDocumentManager } from '@jupyterlab/docmanager';
import { NotebookPanel, type INotebookTracker } from '@jupyterlab/notebook';

/**
 * Open a notebook, or bring its tab to the front. The server has made its session before, so the
 * tab attaches to the live kernel.
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

/** Make a cell the active one and bring it into view; nothing where it is not in the notebook. */
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

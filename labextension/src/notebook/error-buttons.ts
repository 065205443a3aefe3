/** Adds "Fix with Analyst" below each cell that failed, in every open notebook. */
import { CodeCell, type Cell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { cellFacts } from './cell-facts';

const CLASS = 'ak-FixError';

/**
 * Watch the notebooks of `tracker`.
 *
 * @param fix - Called with the notebook and the cell that failed.
 */
export function watchErrors(
  tracker: INotebookTracker,
  label: string,
  fix: (panel: NotebookPanel, cell: Cell) => void
): void {
  const watched = new WeakSet<Cell>();
  const watch = (panel: NotebookPanel): void => {
    const look = (): void => {
      if (panel.isDisposed) {
        return;
      }
      for (const cell of panel.content.widgets) {
        if (cell instanceof CodeCell && !cell.model.isDisposed && !watched.has(cell)) {
          watched.add(cell);
          const show = (): void => {
            place(cell, label, () => {
              fix(panel, cell);
            });
          };
          cell.model.outputs.changed.connect(show);
          show();
        }
      }
    };
    panel.content.modelContentChanged.connect(look);
    void panel.revealed.then(look);
  };
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_, panel) => {
    watch(panel);
  });
}

/** Show the button if the cell failed, and remove it otherwise. */
function place(cell: CodeCell, label: string, onClick: () => void): void {
  if (cell.isDisposed || cell.model.isDisposed) {
    return;
  }
  const wrapper = cell.outputArea.node.closest('.jp-Cell-outputWrapper');
  const existing = cell.node.querySelector(`:scope > .${CLASS}`);
  if (cellFacts(cell).error === null) {
    existing?.remove();
    return;
  }
  if (existing !== null || wrapper === null) {
    return;
  }
  const bar = document.createElement('div');
  bar.className = CLASS;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'ak-Button';
  button.textContent = label;
  button.addEventListener('click', onClick);
  bar.append(button);
  wrapper.after(bar);
}

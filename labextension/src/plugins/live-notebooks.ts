/** Keeps open notebooks of analyses in step with what the server writes. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';
import { LiveNotebooks, type NotebookRebase } from '../notebook/live-notebooks';
import { IAnalystStore, PACKAGE } from '../tokens';

/** Watches every notebook, whether or not a panel is shown. */
export const liveNotebooksPlugin: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:live-notebooks`,
  description: 'Writes what an analysis does into notebooks that are open.',
  autoStart: true,
  requires: [IAnalystStore],
  optional: [INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    store: IAnalystStore,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null
  ): void => {
    if (notebooks === null) {
      return;
    }
    const trans = (translator ?? nullTranslator).load('analyst_kernel');
    const live = new LiveNotebooks({
      store,
      notebooks,
      contents: app.serviceManager.contents,
      tab: tabName(window.sessionStorage),
      isActive: panel => document.hasFocus() && app.shell.currentWidget === panel
    });
    const back = (): void => {
      if (document.visibilityState === 'visible') {
        live.wake();
      }
    };
    document.addEventListener('visibilitychange', back);
    document.addEventListener('resume', back);
    for (const name of ['focus', 'blur']) {
      window.addEventListener(name, () => {
        live.reportAll();
      });
    }
    live.rebased.connect((_, rebased) => {
      const notice = rebaseNotice(rebased, trans);
      if (notice !== null) {
        Notification.emit(notice, rebased.conflicts.length > 0 ? 'warning' : 'info', {
          autoClose: rebased.conflicts.length > 0 ? false : 8000
        });
      }
    });
  }
};

/** Return the notice of a rebase, or `null` if it holds nothing new for the user. */
export function rebaseNotice(rebased: NotebookRebase, trans: TranslationBundle): string | null {
  const name = PathExt.basename(rebased.path);
  const count = rebased.conflicts.length;
  if (count > 0) {
    return trans._n(
      '“%2” changed on disk while you edited the same cell. Your text stays; the other version is in the cell below it.',
      '“%2” changed on disk while you edited the same %1 cells. Your text stays; the other versions are in the cells below them.',
      count,
      name
    );
  }
  if (rebased.hadEdits) {
    return trans.__('“%1” changed on disk. Those changes and your edits are now both in it.', name);
  }
  return rebased.foreign ? trans.__('“%1” changed on disk and was loaded again.', name) : null;
}

const KEY = 'analyst-kernel:tab';

/**
 * Return the name by which the server recognises this tab after a reload. It is stored only while
 * the page is unloaded: a duplicated tab copies the storage, and must not copy the name.
 */
export function tabName(storage: Storage, page: EventTarget = window): string {
  let name: string = UUID.uuid4();
  try {
    name = storage.getItem(KEY) ?? name;
    storage.removeItem(KEY);
    page.addEventListener('pagehide', () => {
      storage.setItem(KEY, name);
    });
    page.addEventListener('pageshow', () => {
      storage.removeItem(KEY);
    });
  } catch {
    // Without storage the name is new after each reload.
  }
  return name;
}

/** Lets the person choose files or a folder of the server. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog } from '@jupyterlab/filebrowser';
import type { TranslationBundle } from '@jupyterlab/translation';

/** Paths below the server's root; empty where nothing was chosen. */
export async function chooseFiles(
  documents: IDocumentManager,
  trans: TranslationBundle
): Promise<readonly string[]> {
  const result = await FileDialog.getOpenFiles({
    manager: documents,
    title: trans.__('Attach data'),
    label: trans.__('The analysis may read what you choose, and nothing else.')
  });
  const chosen = result.button.accept ? (result.value ?? []) : [];
  const folder = chosen.find(item => item.type === 'directory');
  // The dialog names the folder it shows when nothing was chosen: a grant needs a clear word.
  if (folder !== undefined && !(await confirmFolder(folder.path, trans))) {
    return [];
  }
  const contents = documents.services.contents;
  return chosen.map(item => contents.localPath(item.path));
}

async function confirmFolder(path: string, trans: TranslationBundle): Promise<boolean> {
  const name = path === '' ? trans.__('the root folder') : path;
  const { button } = await showDialog({
    title: trans.__('Attach a whole folder?'),
    body: trans.__('The analysis may then read every file in %1.', name),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Attach folder') })
    ]
  });
  return button.accept;
}

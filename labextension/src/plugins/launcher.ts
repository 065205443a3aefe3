/** A card in the launcher. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { PACKAGE } from '../tokens';
import { CommandIds } from './ids';

export const launcherPlugin: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:launcher`,
  description: 'Starts an analysis from the launcher.',
  autoStart: true,
  // Notebook 7 has no launcher.
  optional: [ILauncher, ITranslator],
  activate: (
    _: JupyterFrontEnd,
    launcher: ILauncher | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('analyst_kernel');
    launcher?.add({ command: CommandIds.create, category: trans.__('Other') });
  }
};

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { branchCommandPlugin } from './plugins/branch-command';
import { cellCommandsPlugin } from './plugins/cell-commands';
import { commandsPlugin } from './plugins/commands';
import { launcherPlugin } from './plugins/launcher';
import { liveNotebooksPlugin } from './plugins/live-notebooks';
import { notebookAppPlugin } from './plugins/notebook-app';
import { notificationsPlugin } from './plugins/notifications';
import { panelPlugin } from './plugins/panel';
import { settingsPlugin } from './plugins/settings';
import { statusbarPlugin } from './plugins/statusbar';
import { storePlugin } from './plugins/store';

export { IAnalystPanels, IAnalystStore } from './tokens';
export type { IPanelModel } from './tokens';

/**
 * Every plugin of the extension, one per file of `plugins/`; this list is all that stands here.
 */
const plugins = [
  storePlugin,
  panelPlugin,
  settingsPlugin,
  commandsPlugin,
  cellCommandsPlugin,
  branchCommandPlugin,
  liveNotebooksPlugin,
  launcherPlugin,
  notebookAppPlugin,
  statusbarPlugin,
  notificationsPlugin
] as JupyterFrontEndPlugin<unknown>[];

export default plugins;

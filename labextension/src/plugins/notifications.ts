/** Notifies the user when a run ends, or waits for the user, while its panel is hidden. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { IAnalystPanels, IAnalystStore, PACKAGE, type SummaryChange } from '../tokens';
import { SETTINGS_ID } from './ids';

/** Watches every analysis. */
export const notificationsPlugin: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:notifications`,
  description: 'Notifies of runs that end out of sight.',
  autoStart: true,
  requires: [IAnalystStore, IAnalystPanels],
  optional: [ITranslator, ISettingRegistry],
  activate: (
    _: JupyterFrontEnd,
    store: IAnalystStore,
    panels: IAnalystPanels,
    translator: ITranslator | null,
    registry: ISettingRegistry | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('analyst_kernel');
    const wanted = async (): Promise<boolean> => {
      if (registry === null) {
        return true;
      }
      try {
        return (await registry.get(SETTINGS_ID, 'notify')).composite !== false;
      } catch {
        return true;
      }
    };
    store.summaryChanged.connect((_store, change) => {
      const notice = noticeOf(change, trans);
      const { id } = change.after;
      if (notice === null || panels.isShown(id)) {
        return;
      }
      void wanted().then(yes => {
        if (yes) {
          Notification.emit(notice.message, notice.type, {
            autoClose: notice.type === 'success' ? 8000 : false,
            actions: [
              {
                label: trans.__('Show'),
                callback: () => {
                  panels.sidebar.show(id);
                  panels.activate();
                }
              }
            ]
          });
        }
      });
    });
  }
};

/** Return the notice of a change of state, or `null` if it needs none. */
export function noticeOf(
  { before, after }: SummaryChange,
  trans: TranslationBundle
): { message: string; type: 'success' | 'warning' | 'info' } | null {
  const title = after.title || trans.__('Analysis');
  if (after.state === 'waiting') {
    return { message: trans.__('“%1” waits for you.', title), type: 'info' };
  }
  if (before.state !== 'running') {
    return null;
  }
  switch (after.state) {
    case 'idle':
      return { message: trans.__('“%1” is done.', title), type: 'success' };
    case 'failed':
      return { message: trans.__('“%1” did not work.', title), type: 'warning' };
    case 'running':
      return null;
    default: {
      const rest: never = after.state;
      throw new Error(`Unknown state ${String(rest)}`);
    }
  }
}

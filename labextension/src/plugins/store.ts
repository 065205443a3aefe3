/** Connects this tab to the server extension. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { socketAddress } from '../client/addresses';
import { AnalystRest } from '../client/rest';
import { AnalystSocket, type Wire } from '../client/socket';
import { AnalystStore } from '../session/store';
import { IAnalystStore, PACKAGE } from '../tokens';

export const storePlugin: JupyterFrontEndPlugin<IAnalystStore> = {
  id: `${PACKAGE}:store`,
  description: 'Connects to the analyses of the server.',
  autoStart: true,
  provides: IAnalystStore,
  activate: (app: JupyterFrontEnd): IAnalystStore => {
    const settings = app.serviceManager.serverSettings;
    const store = new AnalystStore(new AnalystRest(settings));
    const open = (): Wire => new settings.WebSocket(socketAddress(settings)) as unknown as Wire;
    const socket = new AnalystSocket(open, store);
    // The list can wait until JupyterLab has started.
    void app.started.then(() => {
      store.start(socket);
    });
    window.addEventListener('online', () => {
      store.retryNow();
    });
    return store;
  }
};

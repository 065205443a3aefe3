/** What every leaf of the panel may use, and how it reads the panel's model. */
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ExportFormat } from '../client/records';
import type { BranchPoint } from '../client/rest';
import type { PanelModel } from '../session/panel-model';

/** What the panel asks of JupyterLab; `null` where this application cannot do it. */
export interface PanelActions {
  /** Open the analysis's notebook, at a cell where one is named. */
  readonly openNotebook: ((analysis: string, cell?: string) => void) | null;
  /** Choose files of the server to attach. */
  readonly chooseFiles: (() => Promise<readonly string[]>) | null;
  /** Open an analysis in a tab of the main area. */
  readonly openBeside: ((analysis: string) => void) | null;
  /** Open the settings of the extension. */
  readonly openSettings: (() => void) | null;
  readonly exportAnalysis: (analysis: string, to: ExportFormat, clean: boolean) => void;
  /** Start an analysis from a cell or question of this one, or from its end. */
  readonly branch: (analysis: string, from?: BranchPoint) => void;
  /** Say in passing that something is done. */
  readonly notify: (message: string) => void;
}

/** Handed down to all leaves. */
export interface PanelServices {
  readonly model: PanelModel;
  readonly trans: TranslationBundle;
  readonly rendermime: IRenderMimeRegistry;
  readonly actions: PanelActions;
}

const Context = React.createContext<PanelServices | null>(null);

/** Gives the services to the leaves below. */
export const ServicesProvider = Context.Provider;

/** The services of this panel. */
export function useServices(): PanelServices {
  const services = React.useContext(Context);
  if (services === null) {
    throw new Error('A leaf of the panel stands outside of it.');
  }
  return services;
}

/**
 * Read something of the panel's model, and draw again when it is another.
 *
 * @param read - Must give back the same object while nothing changed.
 */
export function usePanel<T>(read: (model: PanelModel) => T): T {
  const { model } = useServices();
  const subscribe = React.useCallback(
    (onChange: () => void) => {
      model.changed.connect(onChange);
      return () => {
        model.changed.disconnect(onChange);
      };
    },
    [model]
  );
  return React.useSyncExternalStore(subscribe, () => read(model));
}

/** The time in seconds, anew every second while `running`. */
export function useNow(running: boolean): number {
  const [now, setNow] = React.useState(() => Date.now() / 1000);
  React.useEffect(() => {
    if (!running) {
      return;
    }
    setNow(Date.now() / 1000);
    const timer = setInterval(() => {
      setNow(Date.now() / 1000);
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, [running]);
  return now;
}

/** The services of every component of the panel, and the hooks that read the panel's model. */
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ExportFormat } from '../client/records';
import type { BranchPoint } from '../client/rest';
import type { PanelModel } from '../session/panel-model';

/** The actions of JupyterLab that the panel uses; `null` if this application cannot do one. */
export interface PanelActions {
  /** Open the analysis's notebook, at `cell` if given. */
  readonly openNotebook: ((analysis: string, cell?: string) => void) | null;
  /** Choose files of the server to attach. */
  readonly chooseFiles: (() => Promise<readonly string[]>) | null;
  /** Open an analysis in a tab of the main area. */
  readonly openBeside: ((analysis: string) => void) | null;
  /** Open the settings of the extension. */
  readonly openSettings: (() => void) | null;
  readonly exportAnalysis: (analysis: string, to: ExportFormat, clean: boolean) => void;
  /** Start an analysis from a cell or run of this analysis, or from its end. */
  readonly branch: (analysis: string, from?: BranchPoint) => void;
  /** Show a short notice that something is done. */
  readonly notify: (message: string) => void;
}

/** The services of one panel. */
export interface PanelServices {
  readonly model: PanelModel;
  readonly trans: TranslationBundle;
  readonly rendermime: IRenderMimeRegistry;
  readonly actions: PanelActions;
}

const Context = React.createContext<PanelServices | null>(null);

/** Provides the services to the components below. */
export const ServicesProvider = Context.Provider;

/** Return the services of this panel. */
export function useServices(): PanelServices {
  const services = React.useContext(Context);
  if (services === null) {
    throw new Error('A component of the panel was drawn outside of it.');
  }
  return services;
}

/**
 * Read a value of the panel's model, and render again when it changes.
 *
 * @param read - Must return the same object while nothing changed.
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

/** Return the time in seconds, updated every second while `running`. */
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

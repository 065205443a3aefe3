/** Applies the user's settings to every panel. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { AskDefaults } from '../session/state';
import { IAnalystPanels } from '../tokens';
import { SETTINGS_ID } from './ids';

/** Reads the settings, now and after each change. */
export const settingsPlugin: JupyterFrontEndPlugin<void> = {
  id: SETTINGS_ID,
  description: 'Settings of the Analyst sidebar.',
  autoStart: true,
  requires: [IAnalystPanels],
  optional: [ISettingRegistry],
  activate: (
    _: JupyterFrontEnd,
    panels: IAnalystPanels,
    registry: ISettingRegistry | null
  ): void => {
    if (registry === null) {
      return;
    }
    const load = async (): Promise<void> => {
      const settings = await registry.load(SETTINGS_ID);
      const apply = (): void => {
        panels.applyDefaults(readDefaults(settings));
      };
      settings.changed.connect(apply);
      apply();
    };
    // Without readable settings the server's defaults hold.
    load().catch(() => undefined);
  }
};

/** Return the settings of a new analysis; `null` leaves a setting to the server. */
export function readDefaults(settings: Pick<ISettingRegistry.ISettings, 'get'>): AskDefaults {
  const model = settings.get('defaultModel').composite;
  const approval = settings.get('approval').composite;
  const budget = settings.get('budget').composite;
  const privacy = settings.get('privacy').composite;
  const analysisBudget = settings.get('analysisBudget').composite;
  return {
    model: typeof model === 'string' && model.trim() !== '' ? model.trim() : null,
    approval:
      approval === 'automatic' || approval === 'cells' || approval === 'plan' ? approval : null,
    budget: amount(budget),
    analysisBudget: amount(analysisBudget),
    privacy: privacy === 'no-values' || privacy === 'schema-only' ? privacy : null
  };
}

function amount(setting: unknown): number | null {
  return typeof setting === 'number' && setting > 0 ? setting : null;
}

/** The ids of the commands and of the settings; users, scripts and saved settings rely on them. */
import { PACKAGE } from '../tokens';

export const CommandIds = {
  ask: 'analyst:ask',
  stop: 'analyst:stop',
  create: 'analyst:new',
  attach: 'analyst:attach',
  askAboutFile: 'analyst:ask-about-file',
  openNotebook: 'analyst:open-notebook',
  openBeside: 'analyst:open-beside',
  export: 'analyst:export',
  branch: 'analyst:branch',
  verify: 'analyst:verify',
  showNotebook: 'analyst:show-notebook',
  askAboutCell: 'analyst:ask-about-cell',
  fixError: 'analyst:fix-error'
} as const;

/** The id of the settings plugin, whose schema is `schema/settings.json`. */
export const SETTINGS_ID = `${PACKAGE}:settings`;

/** The commands of the extension; people and scripts rely on these names. */
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

/** Its id; `schema/settings.json` is named after it. */
export const SETTINGS_ID = `${PACKAGE}:settings`;

/** The plugin whose schema holds the settings, shortcuts and menus. */
import { PACKAGE } from '../tokens';

/** Its id; `schema/settings.json` is named after it. */
export const SETTINGS_ID = `${PACKAGE}:settings`;

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

/**
 * Every plugin of the extension, one per file of `plugins/`; this list is all that stands here.
 */
const plugins: JupyterFrontEndPlugin<unknown>[] = [];

export default plugins;

/** The privacy modes in words, from the least strict to the strictest. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { PanelModel } from '../../session/panel-model';
import type { PrivacyMode } from '../../session/state';

export const MODES: readonly PrivacyMode[] = ['full', 'no-values', 'schema-only'];

/** Return the name of a mode. */
export function modeName(mode: PrivacyMode, trans: TranslationBundle): string {
  return {
    full: trans.__('Full'),
    'no-values': trans.__('No values'),
    'schema-only': trans.__('Schema only')
  }[mode];
}

/** Return in a sentence what the model may see in a mode. */
export function modeMeaning(mode: PrivacyMode, trans: TranslationBundle): string {
  return {
    full: trans.__('The model sees what code shows of the data, its values included.'),
    'no-values': trans.__(
      'The model sees names, types and statistics. Each value travels as a token, and is real again here and in the notebook.'
    ),
    'schema-only': trans.__(
      'The model sees names, types and sizes. It writes code and sees no result; you do.'
    )
  }[mode];
}

/** Return a text of the server as a mode, or the strictest if it is none. */
export function readMode(text: unknown): PrivacyMode {
  return MODES.find(mode => mode === text) ?? 'schema-only';
}

/** Return the least strict mode that the administrator allows. */
export function leastMode(model: PanelModel): PrivacyMode {
  const locked = model.store.status?.locked.privacy;
  return locked === undefined || locked === '' ? 'full' : readMode(locked);
}

/** Return the mode of the next question. */
export function modeOf(model: PanelModel): PrivacyMode {
  const chosen =
    model.analysis === null
      ? (model.choice.privacy ?? model.defaults.privacy ?? 'full')
      : (model.state?.privacy ?? 'full');
  const least = leastMode(model);
  return MODES.indexOf(least) > MODES.indexOf(chosen) ? least : chosen;
}

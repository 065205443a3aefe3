/** What of the data the model may see: in the status line, and the dialog that changes it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { PrivacyMode } from '../../session/state';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';
import { leastMode, modeMeaning, modeName, modeOf, MODES } from './modes';
import { SentDialog } from './sent-dialog';

/** The mode of the next question; a click opens the dialog. */
export function PrivacyStatus(): React.JSX.Element {
  const { trans } = useServices();
  const mode = usePanel(modeOf);
  const least = usePanel(leastMode);
  const [shown, setShown] = React.useState<'mode' | 'sent' | null>(null);
  const locked = least !== 'full';
  const close = (): void => {
    setShown(null);
  };
  return (
    <span role="status" aria-label={trans.__('Privacy')} aria-live="off">
      <button
        type="button"
        className={`ak-Quiet ak-Privacy-button ak-mod-${mode}`}
        aria-haspopup="dialog"
        title={`${modeMeaning(mode, trans)}${locked ? `\n${lockReason(least, trans)}` : ''}`}
        onClick={() => {
          setShown('mode');
        }}
      >
        {locked && <span aria-hidden="true">🔒 </span>}
        {trans.__('Privacy: %1', modeName(mode, trans))}
        {locked && <span className="ak-Hidden"> {trans.__('(limited by the administrator)')}</span>}
      </button>
      {shown === 'mode' && (
        <ModeDialog
          onClose={close}
          onShowSent={() => {
            setShown('sent');
          }}
        />
      )}
      {shown === 'sent' && <SentDialog onClose={close} />}
    </span>
  );
}

/** Chooses the mode. A less strict one is asked for twice. */
function ModeDialog(props: {
  readonly onClose: () => void;
  readonly onShowSent: () => void;
}): React.JSX.Element {
  const { onClose, onShowSent } = props;
  const { trans, model } = useServices();
  const mode = usePanel(modeOf);
  const least = usePanel(leastMode);
  const hasAnalysis = usePanel(m => m.analysis !== null);
  const [wanted, setWanted] = React.useState<PrivacyMode>(mode);
  const name = React.useId();
  const weaker = MODES.indexOf(wanted) < MODES.indexOf(mode);
  return (
    <Dialog title={trans.__('What the model may see')} onClose={onClose}>
      <form
        className="ak-Stack"
        onSubmit={event => {
          event.preventDefault();
          void model.choosePrivacy(wanted, weaker);
          onClose();
        }}
      >
        <div className="ak-Stack" role="radiogroup" aria-label={trans.__('Privacy')}>
          {MODES.map(one => {
            const barred = MODES.indexOf(one) < MODES.indexOf(least);
            return (
              <label key={one} className={`ak-Mode${barred ? ' ak-mod-off' : ''}`}>
                <input
                  type="radio"
                  name={name}
                  value={one}
                  checked={wanted === one}
                  disabled={barred}
                  aria-describedby={`${name}-${one}`}
                  onChange={() => {
                    setWanted(one);
                  }}
                />
                <span>
                  <b>{modeName(one, trans)}</b> {barred && <span aria-hidden="true">🔒</span>}
                  <span className="ak-Quiet ak-Mode-meaning" id={`${name}-${one}`}>
                    {modeMeaning(one, trans)}
                  </span>
                </span>
              </label>
            );
          })}
        </div>
        {least !== 'full' && <p className="ak-Notice ak-mod-info">{lockReason(least, trans)}</p>}
        {weaker ? (
          <p className="ak-Notice ak-mod-warning" role="alert">
            {trans.__(
              'From the next question on the model sees more than now, of earlier cells too. What it was sent cannot be taken back.'
            )}
          </p>
        ) : (
          wanted !== mode &&
          hasAnalysis && (
            <p className="ak-Quiet">
              {trans.__(
                'This holds at once. What was sent before cannot be taken back, but its values are not sent again.'
              )}
            </p>
          )
        )}
        <div className="ak-Row">
          <button
            type="submit"
            className={`ak-Button ${weaker ? 'ak-mod-stop' : 'ak-mod-primary'}`}
            disabled={wanted === mode}
          >
            {weaker ? trans.__('Show the model more') : trans.__('Use')}
          </button>
          <button type="button" className="ak-Link" onClick={onClose}>
            {trans.__('Cancel')}
          </button>
          {hasAnalysis && (
            <button type="button" className="ak-Link ak-mod-end" onClick={onShowSent}>
              {trans.__('What was sent …')}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

function lockReason(least: PrivacyMode, trans: TranslationBundle): string {
  return trans.__(
    'The administrator of this server allows no mode less strict than %1.',
    modeName(least, trans)
  );
}

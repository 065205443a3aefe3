/** Banners about the whole panel: the connection, the server, the last failure. */
import { closeIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { useNow, usePanel, useServices } from '../services';

export function Banners(): React.JSX.Element {
  const { trans, model } = useServices();
  const fault = usePanel(m => m.fault);
  const trouble = usePanel(m => m.store.trouble);
  return (
    <>
      <ConnectionBanner />
      {trouble !== null && (
        <div className="ak-Banner ak-mod-error" role="alert">
          <span>
            {trouble.message} {trouble.remedy}
          </span>
          <button type="button" className="ak-Link" onClick={() => void model.store.refresh()}>
            {trans.__('Try again')}
          </button>
        </div>
      )}
      {fault !== null && (
        <div className="ak-Banner ak-mod-error" role="alert">
          <span>
            {fault.message} {fault.remedy}
          </span>
          <button
            type="button"
            className="ak-IconButton"
            aria-label={trans.__('Close message')}
            onClick={() => {
              model.report(null);
            }}
          >
            <closeIcon.react tag="span" className="ak-Icon" />
          </button>
        </div>
      )}
    </>
  );
}

function ConnectionBanner(): React.JSX.Element | null {
  const { trans, model } = useServices();
  const lost = usePanel(m => m.store.connectionState === 'lost');
  const retryAt = usePanel(m => m.store.retryAt);
  const now = useNow(lost);
  if (!lost) {
    return null;
  }
  const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil(retryAt / 1000 - now));
  return (
    <div className="ak-Banner ak-mod-warning" role="status">
      <span>
        {trans.__('Not connected. Your analyses go on without this page.')}{' '}
        <span aria-live="off">
          {seconds > 0 ? trans.__('Next try in %1 s.', seconds) : trans.__('Trying …')}
        </span>
      </span>
      <button
        type="button"
        className="ak-Link"
        onClick={() => {
          model.store.retryNow();
        }}
      >
        {trans.__('Try now')}
      </button>
    </div>
  );
}

/** The model is not answering; when it is asked again, and what can be done meanwhile. */
import * as React from 'react';
import { retryIn } from '../session/progress';
import type { RetryState, RunState } from '../session/state';
import { ModelMenu } from './model-menu';
import { useNow, useServices } from './services';

interface Props {
  readonly run: RunState;
  readonly retry: RetryState;
}

/** The banner with its countdown. */
export function RetryBanner({ run, retry }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const now = useNow(true);
  const seconds = retryIn(run, now);
  const next =
    seconds > 0
      ? trans.__('Next try in %1 s, %2 of %3.', seconds, retry.attempt, retry.of)
      : trans.__('Trying again, %1 of %2.', retry.attempt, retry.of);
  return (
    <div className="ak-Failure" role="alert">
      <b>{trans.__('The model is not answering.')}</b>
      <div>
        {retry.reason} <span aria-live="off">{next}</span> {trans.__('Your analysis is saved.')}
      </div>
      <div className="ak-Row">
        <button
          type="button"
          className="ak-Link"
          onClick={() => void model.send({ type: 'retry_model' })}
        >
          {trans.__('Try now')}
        </button>
        <ModelMenu className="ak-Link">{trans.__('Change model')}</ModelMenu>
        <button
          type="button"
          className="ak-Link"
          onClick={() => void model.send({ type: 'cancel_run' })}
        >
          {trans.__('Stop')}
        </button>
      </div>
    </div>
  );
}

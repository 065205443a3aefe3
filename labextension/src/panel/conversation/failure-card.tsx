/** What is shown of a run without a full answer, and while the model does not answer. */
import * as React from 'react';
import { ModelMenu } from '../composer/model-menu';
import { errorMessage } from '../controls/format';
import { AttachMenu } from '../data/attach-menu';
import { useNow, usePanel, useServices } from '../services';
import { failed, iterationsOf, retryIn } from '../../session/progress';
import type { RetryState, RunState } from '../../session/state';

interface Props {
  readonly run: RunState;
  readonly isLast: boolean;
}

export const FailureCard = React.memo(function FailureCard(props: Props): React.JSX.Element {
  const { run, isLast } = props;
  const { trans, model } = useServices();
  const [details, setDetails] = React.useState(false);
  const titles: Readonly<Record<RunState['status'], string>> = {
    running: '',
    answered: '',
    incomplete: trans.__('This ended without a full answer.'),
    failed: trans.__('This did not work.'),
    cancelled: trans.__('Stopped.')
  };
  const nothing = usePanel(panel => panel.state?.datasets.length === 0);
  const quiet = run.status === 'cancelled';
  const kind = run.status === 'incomplete' ? 'ak-Failure ak-mod-incomplete' : 'ak-Failure';
  const errors = iterationsOf(run).filter(failed);
  const unfinished = run.details?.unfinished ?? [];
  return (
    <div className={quiet ? 'ak-Card' : kind} role={quiet ? undefined : 'alert'}>
      <b>{titles[run.status]}</b>
      {run.reason !== '' && <div>{run.reason}</div>}
      {unfinished.length > 0 && (
        <div>
          {trans.__('Not reached:')} {unfinished.join('; ')}
        </div>
      )}
      <div className="ak-Row">
        {isLast && (
          <>
            {run.status === 'incomplete' && nothing && (
              <AttachMenu label={trans.__('Choose data')} className="ak-Link">
                {trans.__('Choose data')}
              </AttachMenu>
            )}
            <button type="button" className="ak-Link" onClick={() => void model.ask(run.question)}>
              {trans.__('Retry')}
            </button>
            <ModelMenu className="ak-Link">{trans.__('Change model')}</ModelMenu>
          </>
        )}
        <button
          type="button"
          className="ak-Link"
          aria-expanded={details}
          onClick={() => {
            setDetails(!details);
          }}
        >
          {trans.__('Details')}
        </button>
      </div>
      {details && (
        <dl className="ak-Facts">
          <dt>{trans.__('Model')}</dt>
          <dd>{run.model}</dd>
          <dt>{trans.__('Model calls')}</dt>
          <dd>{run.usage.calls}</dd>
          <dt>{trans.__('Iterations')}</dt>
          <dd>{trans.__('%1 of %2', iterationsOf(run).length, run.limits.iterations)}</dd>
          {errors.map(cell => (
            <React.Fragment key={cell.cell}>
              <dt>{trans.__('Cell %1', cell.iteration)}</dt>
              <dd>
                {cell.error === null
                  ? cell.outcome
                  : `${cell.error.name}: ${errorMessage(cell.error)}`}
              </dd>
            </React.Fragment>
          ))}
        </dl>
      )}
    </div>
  );
});

interface RetryProps {
  readonly run: RunState;
  readonly retry: RetryState;
}

/** When a failing model is called again, and what can be done meanwhile. */
export function RetryBanner({ run, retry }: RetryProps): React.JSX.Element {
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

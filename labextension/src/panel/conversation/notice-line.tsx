/** One line about something that was cut, dropped, downgraded, is doubtful, or is kept. */
import * as React from 'react';
import type { KeptState, NoticeState } from '../../session/state';
import { useServices } from '../services';

export const NoticeLine = React.memo(function NoticeLine({
  notice
}: {
  readonly notice: NoticeState;
}): React.JSX.Element {
  const { trans } = useServices();
  const warning = notice.level === 'warning';
  return (
    <div className={`ak-Notice ak-mod-${notice.level}`} data-code={notice.code}>
      <span aria-hidden="true" className={warning ? undefined : 'ak-Info'}>
        {warning ? '⚠' : 'i'}
      </span>
      <span className="ak-Hidden">{warning ? trans.__('Warning:') : trans.__('Note:')} </span>
      <span>{notice.message}</span>
    </div>
  );
});

/** What a run keeps for later questions. */
export const KeptLine = React.memo(function KeptLine({
  kept
}: {
  readonly kept: KeptState;
}): React.JSX.Element {
  const { trans } = useServices();
  const { definition, state } = kept;
  const rows = state?.rows ?? null;
  return (
    <div className="ak-Decided" data-kept={definition === null ? 'state' : 'definition'}>
      <span className="ak-Quiet">
        {definition === null ? trans.__('Named state:') : trans.__('Kept for later questions:')}
      </span>{' '}
      <b>{definition?.text ?? state?.name}</b>
      {rows !== null && <span className="ak-Quiet"> {trans._n('%1 row', '%1 rows', rows)}</span>}
    </div>
  );
});

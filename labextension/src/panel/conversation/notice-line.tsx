/** One line about something that was cut, dropped, downgraded or is doubtful. */
import * as React from 'react';
import type { NoticeState } from '../../session/state';
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

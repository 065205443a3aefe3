/** One amber line: the error that is repaired, and on demand what the repair changes. */
import * as React from 'react';
import type { CellError } from '../../protocol/generated';
import { changedLines } from '../../session/line-diff';
import type { IterationState } from '../../session/state';
import { useServices } from '../services';
import { errorMessage } from '../controls/format';

interface Props {
  /** The cell that failed. */
  readonly before: IterationState;
  /** The code that repairs it; absent until the model writes it. */
  readonly code?: string;
}

/** The error in one sentence. */
export const RepairNote = React.memo(function RepairNote(props: Props): React.JSX.Element {
  const { trans } = useServices();
  const { before, code } = props;
  const changes = React.useMemo(
    () => (code === undefined ? [] : changedLines(before.code, code)),
    [before.code, code]
  );
  return (
    <div className="ak-Repair">
      <ErrorSentence cell={before} />
      {code === undefined && <> {trans.__('Repairing it.')}</>}
      {changes.length > 0 && (
        <details>
          <summary>
            {trans._n('%1 line changed', '%1 lines changed', Math.ceil(changes.length / 2))}
          </summary>
          <pre className="ak-Changes">
            {changes.map((line, index) => (
              <div key={index} className={line.mark === '+' ? 'ak-mod-added' : 'ak-mod-removed'}>
                {line.mark} {line.text}
              </div>
            ))}
          </pre>
        </details>
      )}
    </div>
  );
});

/** `KeyError: there is no column city.` */
export function ErrorSentence({ cell }: { readonly cell: IterationState }): React.JSX.Element {
  const { trans } = useServices();
  const error: CellError = cell.error ?? {
    name: cell.outcome === 'timeout' ? trans.__('Timeout') : trans.__('Error'),
    message: cell.outcome === 'timeout' ? trans.__('The cell took too long.') : '',
    line: null,
    hint: ''
  };
  return (
    <span>
      <b>{error.name}:</b> {errorMessage(error)}
      {error.line !== null && (
        <>
          {' '}
          <span className="ak-Quiet ak-mod-whole">{trans.__('line %1', error.line)}</span>
        </>
      )}
    </span>
  );
}

/** Where a branch began, and how far its kernel has been brought to that state. */
import * as React from 'react';
import { findCell } from '../../session/progress';
import type { BranchState } from '../../session/state';
import { usePanel, useServices } from '../services';

/** The line between the parent's history and the branch's own questions. */
export const BranchLine = React.memo(function BranchLine({
  branch
}: {
  readonly branch: BranchState;
}): React.JSX.Element {
  const { trans, model } = useServices();
  const parent = usePanel(m => m.store.summary(branch.parent)?.title ?? null);
  const title = parent ?? branch.parentTitle;
  return (
    <section className="ak-Branch" aria-label={trans.__('Branch')}>
      <div className="ak-Branch-head">
        <span aria-hidden="true">↳</span>
        <span>
          {trans.__('Branched here from')}{' '}
          {parent === null ? (
            `“${title}”`
          ) : (
            <button
              type="button"
              className="ak-Link"
              onClick={() => {
                model.show(branch.parent);
              }}
            >
              {title}
            </button>
          )}
        </span>
      </div>
      {branch.reproduced === null ? <OnTheWay branch={branch} /> : <Arrived branch={branch} />}
    </section>
  );
});

function OnTheWay({ branch }: { readonly branch: BranchState }): React.JSX.Element {
  const { trans, model } = useServices();
  const [stopping, setStopping] = React.useState(false);
  const sentence =
    branch.place < branch.cells
      ? trans.__('Bringing the branch to cell %1 of %2 …', branch.place + 1, branch.cells)
      : trans.__('Starting the branch …');
  return (
    <div className="ak-Row">
      <span className="ak-Activity" role="status">
        <span className="ak-Pulse" aria-hidden="true" />
        {sentence}
      </span>
      <progress
        className="ak-Branch-progress"
        max={Math.max(1, branch.cells)}
        value={branch.place}
        aria-label={trans.__('Cells run again')}
      />
      <button
        type="button"
        className="ak-Link"
        disabled={stopping}
        onClick={() => {
          setStopping(true);
          void model.send({ type: 'cancel_run' }).then(setStopping);
        }}
      >
        {stopping ? trans.__('Stopping …') : trans.__('Stop')}
      </button>
    </div>
  );
}

function Arrived({ branch }: { readonly branch: BranchState }): React.JSX.Element {
  const { trans } = useServices();
  if (branch.reason !== '') {
    return (
      <div className="ak-Quiet" role="status">
        {trans.__('Its kernel is not in that state yet.')} {branch.reason}
      </div>
    );
  }
  const differs = branch.troubles.length > 0;
  return (
    <div className={differs ? 'ak-Branch-differs' : 'ak-Quiet'} role="status">
      <span aria-hidden="true">{differs ? '≠ ' : '✓ '}</span>
      {trans.__('reproduced %1 of %2', branch.reproduced ?? 0, branch.total)}
      {differs && (
        <details>
          <summary>{trans.__('What differs')}</summary>
          <ul>
            {branch.troubles.map(({ cell, detail }) => (
              <li key={cell}>
                <CellName cell={cell} />
                <pre>{detail}</pre>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

/** The name of a cell in the conversation; the id of a cell that it does not show. */
function CellName({ cell }: { readonly cell: string }): React.JSX.Element {
  const { trans } = useServices();
  const found = usePanel(m => (m.state === null ? null : findCell(m.state, cell)));
  const number = found === null ? 0 : found.iteration;
  return (
    <b>
      {number > 0
        ? trans.__('Cell %1: %2', number, found?.purpose ?? '')
        : trans.__('Cell %1', cell)}
    </b>
  );
}

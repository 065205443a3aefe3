/** Undoing a run: its menu, the dialog that asks, and what is shown afterwards. */
import { ellipsesIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { activeRun, iterationsOf } from '../../session/progress';
import type { RunState } from '../../session/state';
import { Dialog } from '../controls/dialog';
import { Menu } from '../controls/menu';
import { usePanel, useServices } from '../services';

/** The actions of a run that has ended. */
export function RunMenu({ run }: { readonly run: RunState }): React.JSX.Element {
  const { trans, model } = useServices();
  const busy = usePanel(
    m =>
      m.state !== null &&
      (activeRun(m.state) !== null ||
        (m.state.verification !== null && m.state.verification.reproduced === null))
  );
  const [asking, setAsking] = React.useState(false);
  return (
    <>
      <Menu
        label={trans.__('More about this question')}
        className="ak-IconButton"
        align="end"
        items={[
          {
            label: trans.__('Ask again'),
            run: () => void model.ask(run.question)
          },
          {
            label: trans.__('Undo this run …'),
            detail: busy
              ? trans.__('Not while the analysis is at work')
              : trans.__('Takes its cells out of the notebook'),
            disabled: busy,
            run: () => {
              setAsking(true);
            }
          }
        ]}
      >
        <ellipsesIcon.react tag="span" className="ak-Icon" />
      </Menu>
      {asking && (
        <UndoDialog
          run={run}
          onClose={() => {
            setAsking(false);
          }}
        />
      )}
    </>
  );
}

/** Asks before a run is undone, and lists what stays. */
export function UndoDialog(props: {
  readonly run: RunState;
  readonly onClose: () => void;
}): React.JSX.Element {
  const { run, onClose } = props;
  const { trans, model } = useServices();
  const isNewest = usePanel(
    m => m.state?.runs.filter(other => other.undone === null).at(-1)?.id === run.id
  );
  const [rollBack, setRollBack] = React.useState(true);
  const cells = iterationsOf(run).length;
  return (
    <Dialog title={trans.__('Undo this run?')} onClose={onClose}>
      <p>
        {trans._n(
          'The question, its plan, %1 iteration and the answer leave the notebook.',
          'The question, its plan, %1 iterations and the answer leave the notebook.',
          cells
        )}{' '}
        {trans.__('Cells that you edited or wrote stay, and so do the cells that load the data.')}
      </p>
      {!isNewest && (
        <p>{trans.__('Later questions may build on it: their cells stay as they are.')}</p>
      )}
      <p className="ak-Quiet">
        {trans.__('There is no way back from this, but you can ask the question again.')}
      </p>
      <label className="ak-Check">
        <input
          type="checkbox"
          checked={rollBack}
          onChange={event => {
            setRollBack(event.target.checked);
          }}
        />
        <span>
          {trans.__('Roll the kernel back too')}{' '}
          <small className="ak-Quiet">
            {trans.__('It is emptied, and what is left of the notebook runs again.')}
          </small>
        </span>
      </label>
      <div className="ak-Row">
        <button
          type="button"
          className="ak-Button ak-mod-stop"
          onClick={() => {
            onClose();
            void model.send({ type: 'undo_run', run: run.id, roll_back: rollBack });
          }}
        >
          {trans.__('Undo')}
        </button>
        <button type="button" className="ak-Link" autoFocus onClick={onClose}>
          {trans.__('Cancel')}
        </button>
      </div>
    </Dialog>
  );
}

/** What is left of a run that was undone. */
export function Undone({ run }: { readonly run: RunState }): React.JSX.Element {
  const { trans, model } = useServices();
  const kept = run.undone?.kept ?? 0;
  return (
    <div className="ak-Card ak-Undone">
      <b>{trans.__('Undone.')}</b> {trans.__('Its cells are no longer in the notebook.')}{' '}
      {kept > 0 && trans._n('%1 cell of yours stayed.', '%1 cells of yours stayed.', kept)}{' '}
      {run.undone?.rolledBack === true && trans.__('The kernel was rolled back.')}
      <div className="ak-Row">
        <button type="button" className="ak-Link" onClick={() => void model.ask(run.question)}>
          {trans.__('Ask again')}
        </button>
      </div>
    </div>
  );
}

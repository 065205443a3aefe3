/** Asks before an analysis is deleted; the notebook stays unless the user checks the box. */
import * as React from 'react';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

interface Props {
  readonly analysis: string;
  readonly title: string;
  readonly onClose: () => void;
}

export function DeleteDialog({ analysis, title, onClose }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const notebook = usePanel(m => m.store.summary(analysis)?.notebook_path ?? '');
  const [drop, setDrop] = React.useState(false);
  const remove = async (): Promise<void> => {
    onClose();
    await model.attempt(async () => {
      await model.store.rest.remove(analysis, !drop);
      model.store.forget(analysis);
    });
  };
  return (
    <Dialog title={trans.__('Delete this analysis?')} onClose={onClose}>
      <p>
        {trans.__('“%1” leaves the list, and its kernel is shut down.', title)}{' '}
        {!drop && trans.__('Its notebook stays.')}
      </p>
      {notebook !== '' && (
        <label className="ak-Check">
          <input
            type="checkbox"
            checked={drop}
            onChange={event => {
              setDrop(event.target.checked);
            }}
          />
          <span>
            {trans.__('Delete the notebook too')} <small className="ak-Quiet">{notebook}</small>
          </span>
        </label>
      )}
      <div className="ak-Row">
        <button type="button" className="ak-Button ak-mod-stop" onClick={() => void remove()}>
          {drop ? trans.__('Delete both') : trans.__('Delete')}
        </button>
        <button type="button" className="ak-Link" autoFocus onClick={onClose}>
          {trans.__('Cancel')}
        </button>
      </div>
    </Dialog>
  );
}

/** The databases that the analysis may ask, as chips beside the datasets. */
import * as React from 'react';
import { TableBrowser } from './table-browser';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

const NONE: readonly string[] = [];

export function ConnectionChips(): React.JSX.Element {
  const { trans, model } = useServices();
  const connections = usePanel(m => m.state?.connections ?? NONE);
  const [shown, setShown] = React.useState<string | null>(null);
  const close = (): void => {
    setShown(null);
  };
  return (
    <>
      {connections.map(name => (
        <button
          key={name}
          type="button"
          className="ak-Chip"
          aria-haspopup="dialog"
          title={trans.__('A question may ask its tables, by queries that can only read.')}
          onClick={() => {
            setShown(name);
          }}
        >
          <span className="ak-Chip-name">{name}</span>
          <small>{trans.__('database')}</small>
        </button>
      ))}
      {shown !== null && connections.includes(shown) && (
        <Dialog title={shown} size="wide" onClose={close}>
          <p className="ak-Quiet">
            {trans.__(
              'A question may ask these tables, by queries that can only read. The rows come into the notebook under a name.'
            )}
          </p>
          <TableBrowser name={shown} />
          <div className="ak-Row">
            <button
              type="button"
              className="ak-Button"
              onClick={() => {
                void model.send({ type: 'detach_connection', name: shown });
                close();
              }}
            >
              {trans.__('Take back')}
            </button>
            <span className="ak-Quiet">
              {trans.__(
                'The analysis can then no longer ask it, and the rows that it gave are removed here.'
              )}
            </span>
          </div>
        </Dialog>
      )}
    </>
  );
}

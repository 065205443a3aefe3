/** Attach a file or folder by its path. */
import * as React from 'react';
import { Dialog } from './dialog';
import { useServices } from './services';

interface Props {
  readonly onAttach: (paths: readonly string[]) => void;
  readonly onClose: () => void;
}

/** The window. */
export function AttachDialog({ onAttach, onClose }: Props): React.JSX.Element {
  const { trans } = useServices();
  const [path, setPath] = React.useState('');
  return (
    <Dialog title={trans.__('Attach data')} onClose={onClose}>
      <form
        className="ak-Stack"
        onSubmit={event => {
          event.preventDefault();
          onAttach([path.trim()]);
          onClose();
        }}
      >
        <label className="ak-Field">
          {trans.__('Path of a file or folder, or an address')}
          <input
            className="ak-Input"
            value={path}
            autoFocus
            spellCheck={false}
            placeholder="data/sales.csv"
            onChange={event => {
              setPath(event.target.value);
            }}
          />
        </label>
        <p className="ak-Quiet">
          {trans.__(
            'The analysis may read what you attach, and nothing else. The file itself is never changed.'
          )}
        </p>
        <div className="ak-Row">
          <button
            type="submit"
            className="ak-Button ak-mod-primary"
            disabled={path.trim() === ''}
          >
            {trans.__('Attach')}
          </button>
          <button type="button" className="ak-Link" onClick={onClose}>
            {trans.__('Cancel')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** The ways to attach data: a file of the server, an upload, a path, a database. */
import * as React from 'react';
import { ConnectionsDialog } from '../connections/connections-dialog';
import { Dialog } from '../controls/dialog';
import { Menu } from '../controls/menu';
import { useServices } from '../services';

interface Props {
  /** The accessible name of the button. */
  readonly label: string;
  readonly className: string;
  readonly children: React.ReactNode;
}

export function AttachMenu({ label, className, children }: Props): React.JSX.Element {
  const { trans, model, actions } = useServices();
  const [byPath, setByPath] = React.useState(false);
  const [databases, setDatabases] = React.useState(false);
  const file = React.useRef<HTMLInputElement>(null);
  const attach = (paths: readonly string[]): void => {
    void model.attach(paths);
  };
  return (
    <>
      <Menu
        label={label}
        className={className}
        items={[
          {
            label: trans.__('From this server …'),
            disabled: actions.chooseFiles === null,
            run: () => {
              void actions.chooseFiles?.().then(attach);
            }
          },
          {
            label: trans.__('Upload …'),
            detail: trans.__('Stored beside the notebook'),
            run: () => {
              file.current?.click();
            }
          },
          {
            label: trans.__('By path …'),
            detail: trans.__('A file, a folder or an address'),
            run: () => {
              setByPath(true);
            }
          },
          {
            label: trans.__('A database …'),
            detail: trans.__('Its tables stay there and are asked'),
            run: () => {
              setDatabases(true);
            }
          }
        ]}
      >
        {children}
      </Menu>
      <input
        ref={file}
        type="file"
        multiple
        hidden
        aria-label={trans.__('Files to upload')}
        onChange={event => {
          const files = [...(event.target.files ?? [])];
          event.target.value = '';
          void model.upload(files);
        }}
      />
      {databases && (
        <ConnectionsDialog
          onClose={() => {
            setDatabases(false);
          }}
        />
      )}
      {byPath && (
        <AttachDialog
          onAttach={attach}
          onClose={() => {
            setByPath(false);
          }}
        />
      )}
    </>
  );
}

interface AttachDialogProps {
  readonly onAttach: (paths: readonly string[]) => void;
  readonly onClose: () => void;
}

export function AttachDialog({ onAttach, onClose }: AttachDialogProps): React.JSX.Element {
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
          <button type="submit" className="ak-Button ak-mod-primary" disabled={path.trim() === ''}>
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

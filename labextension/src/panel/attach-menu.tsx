/** The ways to attach data: a file of the server, an upload, a path. */
import * as React from 'react';
import { AttachDialog } from './attach-dialog';
import { Menu } from './menu';
import { useServices } from './services';

interface Props {
  /** What a screen reader calls the button. */
  readonly label: string;
  readonly className: string;
  readonly children: React.ReactNode;
}

/** A button that opens them. */
export function AttachMenu({ label, className, children }: Props): React.JSX.Element {
  const { trans, model, actions } = useServices();
  const [byPath, setByPath] = React.useState(false);
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

/** A modal dialog: an enlarged chart, a dataset, a question before deleting. */
import { closeIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { useServices } from '../services';

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: React.ReactNode;
  /** `wide` for pictures and tables. */
  readonly size?: 'narrow' | 'wide';
}

/** Opens when it is mounted; Escape, the close button and a click beside it call `onClose`. */
export function Dialog({ title, onClose, children, size = 'narrow' }: Props): React.JSX.Element {
  const { trans } = useServices();
  const dialog = React.useRef<HTMLDialogElement>(null);
  const id = React.useId();

  React.useEffect(() => {
    const element = dialog.current;
    if (element !== null && !element.open) {
      // The browser keeps the focus inside, and restores it afterwards.
      element.showModal();
    }
  }, []);

  return (
    <dialog
      ref={dialog}
      className={`ak-Dialog ak-mod-${size}`}
      aria-labelledby={id}
      onCancel={event => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={event => {
        event.stopPropagation();
      }}
      onClick={event => {
        if (event.target === dialog.current) {
          onClose();
        }
      }}
    >
      <div className="ak-Dialog-body">
        <div className="ak-Dialog-head">
          <h2 id={id}>{title}</h2>
          <button
            type="button"
            className="ak-IconButton"
            aria-label={trans.__('Close')}
            title={trans.__('Close')}
            onClick={onClose}
          >
            <closeIcon.react tag="span" className="ak-Icon" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

/** Limit what each further question may cost. */
import * as React from 'react';
import { Dialog } from './dialog';
import { useServices } from './services';

interface Props {
  readonly budget: number | null;
  readonly onClose: () => void;
}

/** The window. */
export function BudgetDialog({ budget, onClose }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const [text, setText] = React.useState(budget === null ? '' : String(budget));
  const amount = Number(text.replace(',', '.'));
  const valid = text.trim() === '' || (Number.isFinite(amount) && amount > 0);
  return (
    <Dialog title={trans.__('Budget per question')} onClose={onClose}>
      <form
        className="ak-Stack"
        onSubmit={event => {
          event.preventDefault();
          void model.choose({ budget: text.trim() === '' ? null : amount });
          onClose();
        }}
      >
        <label className="ak-Field">
          {trans.__('US dollars; empty for no limit')}
          <input
            className="ak-Input"
            inputMode="decimal"
            value={text}
            autoFocus
            aria-invalid={!valid}
            onChange={event => {
              setText(event.target.value);
            }}
          />
        </label>
        <p className="ak-Quiet">
          {trans.__('A run that reaches it stops and answers with what it has.')}
        </p>
        <div className="ak-Row">
          <button type="submit" className="ak-Button ak-mod-primary" disabled={!valid}>
            {trans.__('Keep')}
          </button>
          <button type="button" className="ak-Link" onClick={onClose}>
            {trans.__('Cancel')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

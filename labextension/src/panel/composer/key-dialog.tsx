/** A dialog for a provider's key, which is sent to the server and never shown again. */
import * as React from 'react';
import { faultOf } from '../../client/errors';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

export function KeyDialog({ onClose }: { readonly onClose: () => void }): React.JSX.Element {
  const { trans, model } = useServices();
  const models = usePanel(m => m.store.models);
  const providers = (models?.providers ?? []).filter(
    // A server on this computer needs no key.
    one => one.is_ai && !(one.has_credentials && one.credential_source === '')
  );
  const [provider, setProvider] = React.useState('');
  const [key, setKey] = React.useState('');
  const [problem, setProblem] = React.useState('');
  const [busy, setBusy] = React.useState(false);
  const chosen = provider || providers[0]?.name || 'anthropic';

  const save = async (): Promise<void> => {
    setBusy(true);
    setProblem('');
    try {
      await model.store.rest.saveKey(chosen, key.trim());
      setKey('');
      await model.store.refresh();
      const name = model.store.models?.providers.find(p => p.name === chosen)?.default_model ?? '';
      if (name !== '') {
        await model.choose({ model: `${chosen}:${name}` });
      }
      onClose();
    } catch (reason) {
      const fault = faultOf(reason);
      setProblem(`${fault.message} ${fault.remedy}`.trim());
      setBusy(false);
    }
  };
  return (
    <Dialog title={trans.__('Add a key')} onClose={onClose}>
      <form
        className="ak-Stack"
        onSubmit={event => {
          event.preventDefault();
          void save();
        }}
      >
        <label className="ak-Field">
          {trans.__('Provider')}
          <select
            className="ak-Input"
            value={chosen}
            onChange={event => {
              setProvider(event.target.value);
            }}
          >
            {providers.map(one => (
              <option key={one.name} value={one.name}>
                {one.label}
                {one.has_credentials ? ` (${trans.__('has a key')})` : ''}
              </option>
            ))}
            {providers.length === 0 && <option value="anthropic">Anthropic</option>}
          </select>
        </label>
        <label className="ak-Field">
          {trans.__('Key')}
          <input
            className="ak-Input"
            type="password"
            autoComplete="off"
            spellCheck={false}
            value={key}
            autoFocus
            onChange={event => {
              setKey(event.target.value);
            }}
          />
        </label>
        <p className="ak-Quiet">
          {trans.__(
            'The key stays on the Jupyter server, readable by you alone. It goes to its own provider and nowhere else, never into a notebook.'
          )}
        </p>
        {problem !== '' && (
          <div className="ak-Failure" role="alert">
            {problem}
          </div>
        )}
        <div className="ak-Row">
          <button
            type="submit"
            className="ak-Button ak-mod-primary"
            disabled={busy || key.trim() === ''}
          >
            {trans.__('Save key')}
          </button>
          <button type="button" className="ak-Link" onClick={onClose}>
            {trans.__('Cancel')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

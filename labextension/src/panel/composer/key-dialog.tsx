/**
 * The keys of the providers: which are set and where they come from, and a form that has another
 * one checked and saved on the server. A key leaves the page once and is never shown again.
 */
import * as React from 'react';
import { faultOf } from '../../client/errors';
import type { KeyState, ProviderInfo } from '../../client/records';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

const NO_PROVIDERS: readonly ProviderInfo[] = [];
const NO_KEYS: readonly KeyState[] = [];

export function KeyDialog({ onClose }: { readonly onClose: () => void }): React.JSX.Element {
  const { trans } = useServices();
  const models = usePanel(m => m.store.models);
  const isLocked = usePanel(m => Boolean(m.store.status?.locked.keys));
  const providers = (models?.providers ?? NO_PROVIDERS).filter(one => one.is_ai);
  const problem = models?.problem ?? '';
  return (
    <Dialog title={trans.__('Keys')} onClose={onClose}>
      <div className="ak-Stack">
        {problem !== '' && <div className="ak-Notice ak-mod-warning">{problem}</div>}
        <SetKeys providers={providers} keys={models?.keys ?? NO_KEYS} />
        {isLocked ? (
          <p className="ak-Quiet">
            {trans.__('Your administrator decides which keys there are; none can be added here.')}
          </p>
        ) : (
          <KeyForm providers={providers} keys={models?.keys ?? NO_KEYS} onClose={onClose} />
        )}
      </div>
    </Dialog>
  );
}

/** The keys that are set; nothing if there is none. */
function SetKeys(props: {
  readonly providers: readonly ProviderInfo[];
  readonly keys: readonly KeyState[];
}): React.JSX.Element | null {
  const { trans } = useServices();
  const known = new Set(props.keys.map(key => key.provider));
  // What a provider found by itself: a profile, a token, the credentials of a cloud.
  const others = props.providers.filter(
    one => one.has_credentials && one.credential_source !== '' && !known.has(one.name)
  );
  if (props.keys.length === 0 && others.length === 0) {
    return null;
  }
  const label = (name: string): string =>
    props.providers.find(one => one.name === name)?.label ?? name;
  return (
    <ul className="ak-Keys" aria-label={trans.__('Keys that are set')}>
      {props.keys.map(key => (
        <SetKey key={`${key.provider} ${key.source}`} state={key} label={label(key.provider)} />
      ))}
      {others.map(one => (
        <li key={one.name}>
          <div>
            <b>{one.label}</b>
            <div className="ak-Quiet">
              {trans.__('From the environment: %1', one.credential_source)}
            </div>
          </div>
        </li>
      ))}
    </ul>
  );
}

function SetKey(props: { readonly state: KeyState; readonly label: string }): React.JSX.Element {
  const { state, label } = props;
  const { trans, model } = useServices();
  const [asked, setAsked] = React.useState(false);
  const [problem, setProblem] = React.useState('');
  const sources = {
    environment: trans.__('From the environment: %1', state.variable),
    settings: trans.__('From the settings of the server'),
    keyring: state.has_key ? trans.__('In the keyring') : trans.__('Address, in the keyring'),
    file: state.has_key ? trans.__('In a file of yours') : trans.__('Address, in a file of yours')
  };
  const remove = async (): Promise<void> => {
    try {
      await model.store.rest.forgetKey(state.provider);
      await model.store.refresh();
    } catch (reason) {
      const fault = faultOf(reason);
      setProblem(`${fault.message} ${fault.remedy}`.trim());
      setAsked(false);
    }
  };
  return (
    <li>
      <div>
        <b>{label}</b>
        <div className="ak-Quiet">
          {sources[state.source]}
          {state.host !== '' && ` · ${trans.__('goes to %1', state.host)}`}
        </div>
        {state.unused !== '' && (
          <div className="ak-Quiet">{trans.__('Not used. %1', state.unused)}</div>
        )}
        {problem !== '' && (
          <div className="ak-Failure" role="alert">
            {problem}
          </div>
        )}
      </div>
      {state.removable && (
        <button
          type="button"
          className={asked ? 'ak-Button ak-mod-stop' : 'ak-Button'}
          aria-label={
            asked
              ? trans.__('Really remove the key of %1', label)
              : trans.__('Remove the key of %1', label)
          }
          onClick={() => {
            if (asked) {
              void remove();
            } else {
              setAsked(true);
            }
          }}
          onBlur={() => {
            setAsked(false);
          }}
        >
          {asked ? trans.__('Really remove?') : trans.__('Remove')}
        </button>
      )}
    </li>
  );
}

/** What the server said of a key that it did not save. */
interface Refusal {
  readonly text: string;
  /** Whether the user may save it all the same. */
  readonly open: boolean;
}

function KeyForm(props: {
  readonly providers: readonly ProviderInfo[];
  readonly keys: readonly KeyState[];
  readonly onClose: () => void;
}): React.JSX.Element {
  const { providers, keys, onClose } = props;
  const { trans, model } = useServices();
  const place = usePanel(m => m.store.models?.key_place ?? 'file');
  const [name, setName] = React.useState('');
  const [key, setKey] = React.useState('');
  const [url, setUrl] = React.useState<string | null>(null);
  const [modelName, setModelName] = React.useState('');
  const [refusal, setRefusal] = React.useState<Refusal | null>(null);
  const [busy, setBusy] = React.useState(false);
  const provider = providers.find(one => one.name === name) ?? providers[0];
  const settings = provider?.settings ?? null;
  const stored = keys.find(one => one.provider === provider?.name && one.removable);
  const address = url ?? stored?.url ?? '';
  const takesKey = settings !== null && settings.key_variable !== '';
  const takesUrl = settings !== null && settings.url_variable !== '';
  const complete =
    (!(settings?.needs_key ?? false) || key.trim() !== '') &&
    (settings?.url !== '' || address.trim() !== '') &&
    (takesKey || takesUrl);

  const save = async (anyway: boolean): Promise<void> => {
    if (provider === undefined) {
      return;
    }
    setBusy(true);
    setRefusal(null);
    try {
      const given = { provider: provider.name, key: key.trim(), url: address.trim(), anyway };
      const done = await model.store.rest.saveKey(given);
      if (!done.saved) {
        setRefusal({ text: `${done.what} ${done.remedy}`.trim(), open: true });
        setBusy(false);
        return;
      }
      setKey('');
      await model.store.refresh();
      const now = model.store.models?.providers.find(one => one.name === provider.name);
      const wanted = modelName.trim() || (now?.default_model ?? '');
      if (wanted !== '' && model.store.status?.locked.model === undefined) {
        await model.choose({ model: `${provider.name}:${wanted}` });
      }
      onClose();
    } catch (reason) {
      const fault = faultOf(reason);
      setRefusal({ text: `${fault.message} ${fault.remedy}`.trim(), open: false });
      setBusy(false);
    }
  };
  return (
    <form
      className="ak-Stack"
      autoComplete="off"
      onSubmit={event => {
        event.preventDefault();
        void save(false);
      }}
    >
      <label className="ak-Field">
        {trans.__('Provider')}
        <select
          className="ak-Input"
          value={provider?.name ?? ''}
          disabled={busy}
          onChange={event => {
            setName(event.target.value);
            // A key that was typed for one provider is not sent to another by mistake.
            setKey('');
            setUrl(null);
            setModelName('');
            setRefusal(null);
          }}
        >
          {providers.map(one => (
            <option key={one.name} value={one.name}>
              {keys.some(state => state.provider === one.name && state.unused === '')
                ? trans.__('%1 (is set)', one.label)
                : one.label}
            </option>
          ))}
        </select>
      </label>
      {takesUrl && (
        <label className="ak-Field">
          {settings.url === '' ? trans.__('Address') : trans.__('Address, if it is another')}
          <input
            className="ak-Input"
            type="text"
            inputMode="url"
            autoComplete="off"
            spellCheck={false}
            placeholder={settings.url === '' ? 'https://host/v1' : settings.url}
            value={address}
            disabled={busy}
            onChange={event => {
              setUrl(event.target.value);
              setRefusal(null);
            }}
          />
        </label>
      )}
      {takesKey && (
        <label className="ak-Field">
          {settings.needs_key ? trans.__('Key') : trans.__('Key, if the server wants one')}
          <input
            className="ak-Input"
            type="password"
            autoComplete="off"
            spellCheck={false}
            value={key}
            disabled={busy}
            autoFocus
            onChange={event => {
              setKey(event.target.value);
              setRefusal(null);
            }}
          />
        </label>
      )}
      {provider?.default_model === '' && settings !== null && (
        <label className="ak-Field">
          {trans.__('Model')}
          <input
            className="ak-Input"
            type="text"
            autoComplete="off"
            spellCheck={false}
            placeholder={trans.__('its name, as that server calls it')}
            value={modelName}
            disabled={busy}
            onChange={event => {
              setModelName(event.target.value);
            }}
          />
        </label>
      )}
      {settings === null && provider !== undefined && (
        <p className="ak-Quiet">
          {provider.note === ''
            ? trans.__('%1 is set up outside of JupyterLab.', provider.label)
            : provider.note}
        </p>
      )}
      {takesKey && (
        <p className="ak-Quiet">
          {place === 'keyring'
            ? trans.__(
                'The key stays in the keyring of the computer that runs Jupyter. It goes to the host that it was saved for and nowhere else, never into a notebook.'
              )
            : trans.__(
                'The key stays on the Jupyter server, readable by you alone. It goes to the host that it was saved for and nowhere else, never into a notebook.'
              )}
        </p>
      )}
      {refusal !== null && (
        <div className="ak-Failure" role="alert">
          {refusal.text}
          {refusal.open && (
            <button type="button" className="ak-Link" onClick={() => void save(true)}>
              {trans.__('Save anyway')}
            </button>
          )}
        </div>
      )}
      <div className="ak-Row">
        <button type="submit" className="ak-Button ak-mod-primary" disabled={busy || !complete}>
          {busy ? trans.__('Checking …') : trans.__('Check and save')}
        </button>
        <button type="button" className="ak-Link" onClick={onClose}>
          {trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}

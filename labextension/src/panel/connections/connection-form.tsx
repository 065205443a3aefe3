/** The form that adds a database to the user's list, or changes one. */
import * as React from 'react';
import type { DatabaseConnection, DatabaseList } from '../../client/records';
import { sentenceOf } from './sentence';
import { useServices } from '../services';

interface Props {
  readonly list: DatabaseList;
  /** The connection that is changed, or `null` for a new one. */
  readonly before: DatabaseConnection | null;
  readonly onAdded: () => void;
  readonly onCancel: () => void;
}

type Source = 'stored' | 'env' | 'libpq';

export function ConnectionForm({ list, before, onAdded, onCancel }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const canStore = list.password_place !== '';
  const [name, setName] = React.useState(before?.name ?? '');
  const [address, setAddress] = React.useState(before?.address ?? '');
  const [source, setSource] = React.useState<Source>(() => sourceOf(before, canStore));
  const [variable, setVariable] = React.useState(before?.password_from.split(':', 2)[1] ?? '');
  const [password, setPassword] = React.useState('');
  const [refusal, setRefusal] = React.useState('');
  const [busy, setBusy] = React.useState(false);
  const complete =
    name.trim() !== '' &&
    address.trim() !== '' &&
    (source !== 'stored' || password !== '') &&
    (source !== 'env' || variable.trim() !== '');

  const save = async (): Promise<void> => {
    if (before === null && list.connections.some(one => one.name === name.trim())) {
      setRefusal(trans.__('There is a database of this name. Change it, or choose another name.'));
      return;
    }
    setBusy(true);
    setRefusal('');
    try {
      await model.store.rest.addConnection({
        name: name.trim(),
        address: address.trim(),
        password_from: source === 'env' ? `env:${variable.trim()}` : source,
        password: source === 'stored' ? password : '',
        // What was set elsewhere stays.
        ...(before !== null && {
          max_rows: before.max_rows,
          max_megabytes: before.max_megabytes,
          max_seconds: before.max_seconds,
          ask_above_rows: before.ask_above_rows,
          ask_above_cost: before.ask_above_cost
        })
      });
      setPassword('');
      onAdded();
    } catch (reason) {
      setRefusal(sentenceOf(reason));
      setBusy(false);
    }
  };
  const field = (
    label: string,
    value: string,
    set: (text: string) => void,
    more: React.InputHTMLAttributes<HTMLInputElement> = {}
  ): React.JSX.Element => (
    <label className="ak-Field">
      {label}
      <input
        className="ak-Input"
        type="text"
        autoComplete="off"
        spellCheck={false}
        value={value}
        disabled={busy}
        onChange={event => {
          set(event.target.value);
          setRefusal('');
        }}
        {...more}
      />
    </label>
  );
  const example = list.engines[0]?.example ?? '';
  return (
    <form
      className="ak-Stack"
      autoComplete="off"
      onSubmit={event => {
        event.preventDefault();
        void save();
      }}
    >
      <h3>{before === null ? trans.__('Add a database') : trans.__('Change %1', before.name)}</h3>
      {before === null &&
        field(trans.__('Name, as questions call it'), name, setName, {
          placeholder: 'shop',
          maxLength: 40,
          autoFocus: true
        })}
      {field(trans.__('Address, without a password'), address, setAddress, {
        inputMode: 'url',
        placeholder: example
      })}
      <label className="ak-Field">
        {trans.__('Password')}
        <select
          className="ak-Input"
          value={source}
          disabled={busy}
          onChange={event => {
            setSource(event.target.value as Source);
            setPassword('');
            setRefusal('');
          }}
        >
          {canStore && <option value="stored">{trans.__('Typed here and stored')}</option>}
          <option value="env">{trans.__('From an environment variable')}</option>
          <option value="libpq">{trans.__('None, or from your password file')}</option>
        </select>
      </label>
      {source === 'stored' &&
        field(trans.__('Password'), password, setPassword, { type: 'password' })}
      {source === 'env' &&
        field(trans.__('Name of the variable'), variable, setVariable, {
          placeholder: 'SHOP_PASSWORD'
        })}
      <p className="ak-Quiet">
        {source === 'stored' &&
          (list.password_place === 'keyring'
            ? trans.__(
                'The password stays in the keyring of the computer that runs Jupyter, and goes to this database alone, never into a notebook.'
              )
            : trans.__(
                'The password stays on the Jupyter server, readable by you alone, and goes to this database alone, never into a notebook.'
              ))}
        {source === 'env' && trans.__('It must be set where Jupyter is started.')}{' '}
        {trans.__('Use a role that has SELECT on the tables in question and nothing else.')}
      </p>
      {refusal !== '' && (
        <div className="ak-Failure" role="alert">
          {refusal}
        </div>
      )}
      <div className="ak-Row">
        <button type="submit" className="ak-Button ak-mod-primary" disabled={busy || !complete}>
          {busy ? trans.__('Saving …') : trans.__('Save')}
        </button>
        <button type="button" className="ak-Link" onClick={onCancel}>
          {trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}

function sourceOf(before: DatabaseConnection | null, canStore: boolean): Source {
  const kind = before?.password_from.split(':', 1)[0];
  if (kind === 'env' || kind === 'libpq') {
    return kind;
  }
  return canStore ? 'stored' : 'env';
}

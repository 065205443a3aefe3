/**
 * The user's databases: which there are, whether one answers, what is in it, a form that adds one.
 * A password leaves the page once and is never shown again.
 */
import * as React from 'react';
import type { DatabaseConnection, DatabaseList, DatabaseTried } from '../../client/records';
import { ConnectionForm } from './connection-form';
import { sentenceOf } from './sentence';
import { TableBrowser } from './table-browser';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

const NONE: readonly string[] = [];

export function ConnectionsDialog({
  onClose
}: {
  readonly onClose: () => void;
}): React.JSX.Element {
  const { trans, model } = useServices();
  const [list, setList] = React.useState<DatabaseList | null>(null);
  const [problem, setProblem] = React.useState('');
  /** What the form is for: a new database, the one of this name, or nothing. */
  const [edited, setEdited] = React.useState<DatabaseConnection | 'new' | null>(null);
  const [browsed, setBrowsed] = React.useState<string | null>(null);
  const load = React.useCallback(async (): Promise<void> => {
    try {
      setList(await model.store.rest.connections());
      setProblem('');
    } catch (reason) {
      setProblem(sentenceOf(reason));
    }
  }, [model]);
  React.useEffect(() => {
    void load();
  }, [load]);

  if (browsed !== null) {
    return (
      <Dialog title={browsed} size="wide" onClose={onClose}>
        <TableBrowser name={browsed} />
        <div className="ak-Row">
          <button
            type="button"
            className="ak-Button"
            onClick={() => {
              setBrowsed(null);
            }}
          >
            {trans.__('All databases')}
          </button>
        </div>
      </Dialog>
    );
  }
  const isEmpty = list !== null && list.connections.length === 0 && list.problem === '';
  const isForm = edited !== null || isEmpty;
  return (
    <Dialog title={trans.__('Databases')} size="wide" onClose={onClose}>
      <div className="ak-Stack">
        {list === null && problem === '' && (
          <p className="ak-Quiet" role="status">
            {trans.__('Loading …')}
          </p>
        )}
        {problem !== '' && (
          <div className="ak-Failure" role="alert">
            {problem}{' '}
            <button type="button" className="ak-Link" onClick={() => void load()}>
              {trans.__('Try again')}
            </button>
          </div>
        )}
        {list !== null && list.problem !== '' && (
          <div className="ak-Notice ak-mod-warning">{list.problem}</div>
        )}
        {isEmpty && (
          <p className="ak-Quiet">
            {trans.__(
              'Tables stay where they are: a question is answered by queries that can only read.'
            )}
          </p>
        )}
        {list !== null && list.connections.length > 0 && (
          <ul className="ak-Keys" aria-label={trans.__('Databases')}>
            {list.connections.map(connection => (
              <ConnectionRow
                key={connection.name}
                connection={connection}
                list={list}
                onBrowse={() => {
                  setBrowsed(connection.name);
                }}
                onChange={() => {
                  setEdited(connection);
                }}
                onRemoved={() => void load()}
              />
            ))}
          </ul>
        )}
        {list !== null && list.problem === '' && isForm && (
          <ConnectionForm
            key={edited === null || edited === 'new' ? '' : edited.name}
            list={list}
            before={edited === 'new' ? null : edited}
            onAdded={() => {
              setEdited(null);
              void load();
            }}
            onCancel={
              isEmpty
                ? onClose
                : () => {
                    setEdited(null);
                  }
            }
          />
        )}
        {list !== null && list.problem === '' && !isForm && (
          <div className="ak-Row">
            <button
              type="button"
              className="ak-Button"
              onClick={() => {
                setEdited('new');
              }}
            >
              {trans.__('Add a database …')}
            </button>
          </div>
        )}
      </div>
    </Dialog>
  );
}

interface RowProps {
  readonly connection: DatabaseConnection;
  readonly list: DatabaseList;
  readonly onBrowse: () => void;
  readonly onChange: () => void;
  readonly onRemoved: () => void;
}

function ConnectionRow(props: RowProps): React.JSX.Element {
  const { connection, list, onBrowse, onChange, onRemoved } = props;
  const { name } = connection;
  const { trans, model } = useServices();
  const attached = usePanel(m => m.state?.connections ?? NONE);
  const [asked, setAsked] = React.useState(false);
  const [problem, setProblem] = React.useState('');
  const [tried, setTried] = React.useState<DatabaseTried | null>(null);
  const trying = React.useRef<AbortController | null>(null);
  const [busy, setBusy] = React.useState(false);
  React.useEffect(
    () => () => {
      trying.current?.abort();
    },
    []
  );
  const engine = list.engines.find(one => one.name === connection.engine);
  const test = async (): Promise<void> => {
    const control = new AbortController();
    trying.current = control;
    setBusy(true);
    setProblem('');
    setTried(null);
    try {
      setTried(await model.store.rest.tryConnection(name, control.signal));
    } catch (reason) {
      if (!control.signal.aborted) {
        setProblem(sentenceOf(reason));
      }
    }
    setBusy(false);
  };
  const attach = async (): Promise<void> => {
    setProblem('');
    if (await model.send({ type: 'attach_connection', name })) {
      return;
    }
    setProblem(model.fault === null ? '' : `${model.fault.message} ${model.fault.remedy}`.trim());
    model.report(null);
  };
  const remove = async (): Promise<void> => {
    try {
      await model.store.rest.removeConnection(name);
      onRemoved();
    } catch (reason) {
      setProblem(sentenceOf(reason));
      setAsked(false);
    }
  };
  const [kind, variable = ''] = connection.password_from.split(':', 2);
  const sources: Record<string, string> = {
    stored:
      list.password_place === 'keyring'
        ? trans.__('password in the keyring')
        : trans.__('password in a file of yours'),
    keyring: trans.__('password in the keyring'),
    env: trans.__('password from %1', variable),
    libpq: trans.__('no password, or from your password file')
  };
  return (
    <li className="ak-Connection">
      <div>
        <b>{name}</b>
        <div className="ak-Quiet">
          {engine?.title ?? connection.engine} · {connection.address} · {sources[kind ?? ''] ?? ''}
        </div>
        {engine !== undefined && engine.install !== '' && (
          <div className="ak-Notice ak-mod-warning">
            <span>
              {trans.__('Its driver is not installed where Jupyter runs:')}{' '}
              <code>{engine.install}</code>
            </span>
          </div>
        )}
        {busy && (
          <div className="ak-Quiet" role="status">
            {trans.__('Signing in …')}{' '}
            <button
              type="button"
              className="ak-Link"
              onClick={() => {
                trying.current?.abort();
              }}
            >
              {trans.__('Cancel')}
            </button>
          </div>
        )}
        {tried !== null && (
          <div role="status">
            {tried.said}
            {tried.warning !== '' && <div className="ak-Quiet">{tried.warning}</div>}
          </div>
        )}
        {problem !== '' && (
          <div className="ak-Failure" role="alert">
            {problem}
          </div>
        )}
      </div>
      <div className="ak-Connection-actions">
        {attached.includes(name) ? (
          <span className="ak-Quiet">{trans.__('Attached')}</span>
        ) : (
          <button
            type="button"
            className="ak-Button ak-mod-primary"
            aria-label={trans.__('Attach %1', name)}
            onClick={() => void attach()}
          >
            {trans.__('Attach')}
          </button>
        )}
        <button
          type="button"
          className="ak-Button"
          aria-label={trans.__('Test %1', name)}
          disabled={busy}
          onClick={() => void test()}
        >
          {trans.__('Test')}
        </button>
        <button
          type="button"
          className="ak-Button"
          aria-label={trans.__('Tables of %1', name)}
          onClick={onBrowse}
        >
          {trans.__('Tables')}
        </button>
        <button
          type="button"
          className="ak-Button"
          aria-label={trans.__('Change %1', name)}
          onClick={onChange}
        >
          {trans.__('Change')}
        </button>
        <button
          type="button"
          className={asked ? 'ak-Button ak-mod-stop' : 'ak-Button'}
          aria-label={asked ? trans.__('Really remove %1', name) : trans.__('Remove %1', name)}
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
      </div>
    </li>
  );
}

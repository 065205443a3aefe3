/** The tables and columns of a database that can be read, found by their names. */
import * as React from 'react';
import type { DatabaseColumns, DatabaseTable, DatabaseTables } from '../../client/records';
import { sentenceOf } from './sentence';
import { count } from '../controls/format';
import { useServices } from '../services';

const PAUSE_MS = 250;

export function TableBrowser({ name }: { readonly name: string }): React.JSX.Element {
  const { trans, model } = useServices();
  const [search, setSearch] = React.useState('');
  const [found, setFound] = React.useState<DatabaseTables | null>(null);
  const [problem, setProblem] = React.useState('');
  const [busy, setBusy] = React.useState(true);
  /** Increases when the database is to be asked anew. */
  const [again, setAgain] = React.useState(0);
  const asked = React.useRef(0);
  const [opened, setOpened] = React.useState('');
  React.useEffect(() => {
    const control = new AbortController();
    const isAgain = again !== asked.current;
    const look = async (): Promise<void> => {
      setBusy(true);
      try {
        const tables = await model.store.rest.tables(name, search, isAgain, control.signal);
        asked.current = again;
        setFound(tables);
        setProblem('');
      } catch (reason) {
        if (control.signal.aborted) {
          return;
        }
        setProblem(sentenceOf(reason));
      }
      setBusy(false);
    };
    const timer = setTimeout(() => void look(), search === '' ? 0 : PAUSE_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [model, name, search, again]);
  return (
    <div className="ak-Stack">
      {(found === null || found.total > 0) && (
        <label className="ak-Field">
          {trans.__('Find a table or column')}
          <input
            className="ak-Input"
            type="search"
            autoComplete="off"
            spellCheck={false}
            value={search}
            onChange={event => {
              setSearch(event.target.value);
            }}
          />
        </label>
      )}
      {problem !== '' && (
        <div className="ak-Failure" role="alert">
          {problem}{' '}
          <button
            type="button"
            className="ak-Link"
            onClick={() => {
              setProblem('');
              setAgain(again + 1);
            }}
          >
            {trans.__('Try again')}
          </button>
        </div>
      )}
      {problem === '' && (
        <p className="ak-Quiet" role="status">
          {found === null || busy ? trans.__('Asking the database …') : <Shown found={found} />}
        </p>
      )}
      {problem === '' && found !== null && found.tables.length > 0 && (
        <ul className="ak-Tables" aria-label={trans.__('Tables')}>
          {found.tables.map(table => {
            const id = `${table.schema}.${table.name}`;
            return (
              <li key={id}>
                <button
                  type="button"
                  className="ak-Tables-head"
                  aria-expanded={opened === id}
                  onClick={() => {
                    setOpened(opened === id ? '' : id);
                  }}
                >
                  <span className="ak-Tables-name">{id}</span>
                  <small>{facts(table, trans.__('about %1 rows', count(table.rows ?? 0)))}</small>
                </button>
                {opened === id && <Columns name={name} table={table} />}
              </li>
            );
          })}
        </ul>
      )}
    </div>
  );
}

function facts(table: DatabaseTable, rows: string): string {
  const kind = table.kind === 'table' ? '' : table.kind;
  return [kind, table.rows === null ? '' : rows].filter(text => text !== '').join(', ');
}

/** How many tables there are, and how many of them are shown. */
function Shown({ found }: { readonly found: DatabaseTables }): React.JSX.Element {
  const { trans } = useServices();
  if (found.total === 0) {
    return <>{trans.__('There is no table that this role may read.')}</>;
  }
  if (found.found === 0) {
    return <>{trans.__('No name of a table or column holds this.')}</>;
  }
  if (found.tables.length < found.found) {
    const shown = count(found.tables.length);
    return <>{trans.__('The first %1 of %2 tables.', shown, count(found.found))}</>;
  }
  return <>{trans._n('%1 table', '%1 tables', found.found)}</>;
}

function Columns(props: {
  readonly name: string;
  readonly table: DatabaseTable;
}): React.JSX.Element {
  const { name, table } = props;
  const { trans, model } = useServices();
  const [found, setFound] = React.useState<DatabaseColumns | null>(null);
  const [problem, setProblem] = React.useState('');
  React.useEffect(() => {
    const control = new AbortController();
    model.store.rest.columns(name, table, control.signal).then(setFound, (reason: unknown) => {
      if (!control.signal.aborted) {
        setProblem(sentenceOf(reason));
      }
    });
    return () => {
      control.abort();
    };
  }, [model, name, table]);
  if (problem !== '') {
    return (
      <div className="ak-Failure" role="alert">
        {problem}
      </div>
    );
  }
  if (found === null) {
    return <p className="ak-Quiet">{trans.__('Loading …')}</p>;
  }
  return (
    <ul className="ak-Tables-columns">
      {found.columns.map(column => (
        <li key={column.name}>
          <span className="ak-Tables-name">{column.name}</span>{' '}
          <small>
            {[
              column.type,
              column.key ? trans.__('key') : '',
              column.refers_to === '' ? '' : `→ ${column.refers_to}`
            ]
              .filter(text => text !== '')
              .join(' · ')}
          </small>
        </li>
      ))}
      {found.left > 0 && (
        <li className="ak-Quiet">{trans.__('and %1 more columns', count(found.left))}</li>
      )}
    </ul>
  );
}

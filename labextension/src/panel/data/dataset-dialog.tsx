/** A dataset: its size, its columns with types and missing values, its first rows, its warnings. */
import * as React from 'react';
import type { ColumnProfile, Dataset, DatasetProfile, DataWarning } from '../../protocol/generated';
import { Dialog } from '../controls/dialog';
import { ReadingChoices } from './reading-choices';
import { useServices } from '../services';
import { bytes, count, datasetLabel } from '../controls/format';

interface Props {
  readonly profile: DatasetProfile;
  readonly onClose: () => void;
}

export function DatasetDialog({ profile, onClose }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const { dataset } = profile;
  const facts = [
    dataset.rows === null ? trans.__('rows not counted') : trans.__('%1 rows', count(dataset.rows)),
    trans.__('%1 columns', count(dataset.columns.length)),
    bytes(dataset.bytes),
    dataset.format,
    profile.duplicate_rows ? trans.__('%1 duplicate rows', count(profile.duplicate_rows)) : ''
  ];
  return (
    <Dialog title={datasetLabel(dataset)} size="wide" onClose={onClose}>
      <p className="ak-Quiet">
        {facts.filter(fact => fact !== '').join(' · ')}
        <br />
        {trans.__('In the notebook:')} <code>{dataset.name}</code> ·{' '}
        {dataset.address || dataset.path}
      </p>
      {profile.sampled && (
        <div className="ak-Notice ak-mod-info">
          {profile.sample_note || trans.__('Statistics come from a sample.')}
        </div>
      )}
      {profile.warnings
        .filter(warning => !isChoice(warning, dataset))
        .map(warning => (
          <div key={`${warning.code}-${warning.column ?? ''}`} className="ak-Notice ak-mod-warning">
            <span aria-hidden="true">⚠</span>
            <span>
              {warning.column !== null && (
                <>
                  <b>{warning.column}</b>:{' '}
                </>
              )}
              {warning.message}
            </span>
          </div>
        ))}
      <ReadingChoices dataset={dataset} />
      <h3>{trans.__('Columns')}</h3>
      <div className="ak-TableScroll" tabIndex={0} role="region" aria-label={trans.__('Columns')}>
        <table className="ak-Table">
          <thead>
            <tr>
              <th scope="col">{trans.__('Column')}</th>
              <th scope="col">{trans.__('Type')}</th>
              <th scope="col">{trans.__('Missing')}</th>
              <th scope="col">{trans.__('Distinct')}</th>
              <th scope="col">{trans.__('Values')}</th>
            </tr>
          </thead>
          <tbody>
            {profile.columns.map(column => (
              <ColumnRow key={column.name} column={column} rows={dataset.rows} />
            ))}
          </tbody>
        </table>
      </div>
      {profile.head.length > 0 && (
        <>
          <h3>{trans.__('First rows')}</h3>
          <div
            className="ak-TableScroll"
            tabIndex={0}
            role="region"
            aria-label={trans.__('First rows')}
          >
            <table className="ak-Table">
              <thead>
                <tr>
                  {dataset.columns.map(name => (
                    <th key={name} scope="col" title={name}>
                      {name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {profile.head.map((row, index) => (
                  <tr key={index}>
                    {row.map((value, place) => (
                      <td key={place} title={value ?? undefined}>
                        {value ?? <i className="ak-Quiet">{trans.__('none')}</i>}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
      <div className="ak-Row">
        <button
          type="button"
          className="ak-Button"
          onClick={() => {
            void model.send({ type: 'detach_data', name: dataset.name });
            onClose();
          }}
        >
          {trans.__('Take back')}
        </button>
        <span className="ak-Quiet">
          {trans.__('The analysis can then no longer read it. The file stays.')}
        </span>
      </div>
    </Dialog>
  );
}

/** Return whether a warning says what stands below among the choices. */
function isChoice(warning: DataWarning, dataset: Dataset): boolean {
  // Journals of earlier versions name no choices.
  const choices = (dataset.choices as Dataset['choices'] | undefined) ?? [];
  return choices.some(
    ({ column, sentence }) =>
      sentence !== '' &&
      column === warning.column &&
      warning.message.startsWith(sentence.split('.', 1)[0] ?? '')
  );
}

function ColumnRow(props: {
  readonly column: ColumnProfile;
  readonly rows: number | null;
}): React.JSX.Element {
  const { column, rows } = props;
  const { trans } = useServices();
  const share = rows !== null && rows > 0 ? (100 * column.nulls) / rows : 0;
  const percent = share > 0 && share < 0.1 ? '<0.1' : share.toFixed(share < 10 ? 1 : 0);
  return (
    <tr>
      <th scope="row">{column.name}</th>
      <td title={column.dtype}>{column.kind}</td>
      <td>{column.nulls === 0 ? trans.__('none') : `${count(column.nulls)} (${percent} %)`}</td>
      <td>
        {column.distinct_is_estimate ? '≈ ' : ''}
        {count(column.distinct)}
      </td>
      <td className="ak-mod-text" title={valuesOf(column)}>
        {valuesOf(column)}
      </td>
    </tr>
  );
}

/** Return the range of numbers and dates, or the most frequent values of another column. */
function valuesOf(column: ColumnProfile): string {
  if (column.minimum !== null && column.maximum !== null) {
    const range = `${String(column.minimum)} – ${String(column.maximum)}`;
    return column.median === null ? range : `${range}, median ${String(column.median)}`;
  }
  return column.top
    .slice(0, 3)
    .map(({ value }) => (value.length > 24 ? `${value.slice(0, 24)}…` : value))
    .join(', ');
}

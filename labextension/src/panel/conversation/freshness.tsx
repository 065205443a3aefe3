/** Beside an answer: that its data changed since, and what computing it again showed. */
import * as React from 'react';
import type { NumberMove } from '../../protocol/generated';
import type { RunState } from '../../session/state';
import { CodeText } from '../controls/code-text';
import { usePanel, useServices } from '../services';

const MOST_NUMBERS = 12;

/** Says that the data changed since the answer, and offers to compute the answers again. */
export function ChangedSince({ run }: { readonly run: RunState }): React.JSX.Element | null {
  const { trans, model } = useServices();
  const refresh = usePanel(m => m.state?.refresh ?? null);
  const busy = usePanel(m => m.summary?.state === 'running' || m.summary?.state === 'waiting');
  const last = usePanel(m => m.state?.runs.filter(one => one.changedSince !== '').at(-1)?.id);
  if (run.changedSince === '') {
    return null;
  }
  const running = busy && refresh?.running === true;
  return (
    <div className="ak-Notice ak-Changed">
      <span>
        {run.changedSince} {trans.__('This answer rests on what was there before.')}
        {last === run.id && !running && refresh !== null && refresh.reason !== '' && (
          <span role="status"> {trans.__('Not computed again: %1', refresh.reason)}</span>
        )}
      </span>
      {last === run.id && (
        <button
          type="button"
          className="ak-Link"
          disabled={busy}
          title={trans.__(
            'Runs all cells on the data as they are now, in a fresh kernel, and compares the numbers of each answer. The answers and the notebook’s outputs stay.'
          )}
          onClick={() => void model.send({ type: 'refresh_analysis' })}
        >
          {!running
            ? trans.__('Refresh')
            : refresh.place === 0
              ? trans.__('Refreshing …')
              : trans.__('Refreshing, cell %1 of %2 …', refresh.place, refresh.cells)}
        </button>
      )}
    </div>
  );
}

/** What computing an answer again showed: what turned, which numbers moved, and by how much. */
export function Outcome({ run }: { readonly run: RunState }): React.JSX.Element | null {
  const { trans } = useServices();
  const problems = usePanel(m => m.state?.refresh?.problems ?? NONE);
  if (run.outcome === null) {
    return null;
  }
  const { found, at } = run.outcome;
  const other = found.numbers.filter(one => one.state === 'moved' || one.state === 'gone');
  const turned = found.turned.length > 0;
  return (
    <section
      className={`ak-Outcome${turned ? ' ak-mod-turned' : ''}`}
      aria-label={trans.__('Computed again')}
    >
      <div>
        <b>{trans.__('Computed again on %1.', new Date(at * 1000).toLocaleString())}</b>{' '}
        {found.summary}
      </div>
      {turned && (
        <ul className="ak-Outcome-turned">
          {found.turned.map(sentence => (
            <li key={sentence}>
              <CodeText text={sentence} />
            </li>
          ))}
        </ul>
      )}
      {other.length > 0 && (
        <div
          className="ak-Outcome-scroll"
          tabIndex={0}
          role="group"
          aria-label={trans.__('Numbers')}
        >
          <table>
            <thead>
              <tr>
                <th scope="col">{trans.__('Was')}</th>
                <th scope="col">{trans.__('Is now')}</th>
                <th scope="col">{trans.__('Change')}</th>
              </tr>
            </thead>
            <tbody>
              {other.slice(0, MOST_NUMBERS).map(one => (
                <Row key={one.start} one={one} />
              ))}
            </tbody>
          </table>
          {other.length > MOST_NUMBERS && (
            <div className="ak-Side">
              {trans.__('%1 more stand in the notebook.', other.length - MOST_NUMBERS)}
            </div>
          )}
        </div>
      )}
      {other.length > 0 && problems.length > 0 && (
        <ul className="ak-Side">
          {problems.map(problem => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Row({ one }: { readonly one: NumberMove }): React.JSX.Element {
  const { model, trans } = useServices();
  const { cell } = one;
  return (
    <tr>
      <td>
        {cell === null ? (
          one.text
        ) : (
          <button
            type="button"
            className="ak-Link"
            title={trans.__('Show the cell')}
            onClick={() => {
              model.reveal(cell);
            }}
          >
            {one.text}
          </button>
        )}
      </td>
      {one.state === 'moved' ? (
        <>
          <td>{one.now}</td>
          <td>
            {signed(one.change)}
            {one.percent !== null && ` (${signed(one.percent, 3)} %)`}
          </td>
        </>
      ) : (
        <td colSpan={2} className="ak-Side">
          {one.reason}
        </td>
      )}
    </tr>
  );
}

function signed(value: number | null, digits = 5): string {
  const format = new Intl.NumberFormat(undefined, {
    maximumSignificantDigits: digits,
    signDisplay: 'exceptZero'
  });
  return value === null ? '' : format.format(value);
}

const NONE: readonly string[] = [];

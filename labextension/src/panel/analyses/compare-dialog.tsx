/** Two analyses side by side: answers, charts, and the code that differs. */
import * as React from 'react';
import { compare, type CellPair, type Pair, type RunPair } from '../../session/comparison';
import type { ChangedRow } from '../../session/line-diff';
import type { AnalysisState, IterationState, RunState } from '../../session/state';
import { Rendered } from '../../rendering/rendered';
import { ChartPicture } from '../charts/chart-picture';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

interface Props {
  readonly analysis: string;
  readonly onClose: () => void;
}

/** The dialog, in which the other analysis is chosen. */
export function CompareDialog({ analysis, onClose }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const key = usePanel(m => m.store.analyses.map(one => `${one.id} ${one.title}`).join('\n'));
  const others = React.useMemo(
    () =>
      related(
        model.store.analyses.filter(one => one.id !== analysis),
        analysis,
        model.store.summary(analysis)?.parent ?? null
      ),
    [analysis, key, model]
  );
  const [chosen, setChosen] = React.useState(others[0]?.id ?? '');
  const left = useFollowed(analysis);
  const right = useFollowed(chosen);
  const titles = {
    left: usePanel(m => m.store.summary(analysis)?.title ?? ''),
    right: usePanel(m => m.store.summary(chosen)?.title ?? '')
  };
  return (
    <Dialog title={trans.__('Compare “%1”', titles.left)} size="wide" onClose={onClose}>
      <label className="ak-Field">
        <span>{trans.__('with')}</span>
        <select
          className="ak-Input"
          value={chosen}
          onChange={event => {
            setChosen(event.target.value);
          }}
        >
          {others.map(one => (
            <option key={one.id} value={one.id}>
              {one.title}
            </option>
          ))}
        </select>
      </label>
      {left === null || right === null ? (
        <p className="ak-Activity" role="status">
          {trans.__('Loading both analyses …')}
        </p>
      ) : (
        <Comparison left={left} right={right} titles={titles} />
      )}
    </Dialog>
  );
}

/** Return the parent, the branches and the siblings first, then the rest in its order. */
function related<T extends { readonly id: string; readonly parent: string | null }>(
  all: readonly T[],
  analysis: string,
  parent: string | null
): readonly T[] {
  const rank = (one: T): number =>
    one.id === parent
      ? 0
      : one.parent === analysis
        ? 1
        : parent !== null && one.parent === parent
          ? 2
          : 3;
  return all.toSorted((a, b) => rank(a) - rank(b));
}

/** Return the state of an analysis, which is watched meanwhile; `null` until it is loaded. */
function useFollowed(analysis: string): AnalysisState | null {
  const { model } = useServices();
  React.useEffect(
    () => (analysis === '' ? undefined : model.store.watch(analysis)),
    [analysis, model]
  );
  return usePanel(m => (m.store.isLoaded(analysis) ? m.store.state(analysis) : null));
}

type Titles = Readonly<Record<'left' | 'right', string>>;

function Comparison(props: {
  readonly left: AnalysisState;
  readonly right: AnalysisState;
  readonly titles: Titles;
}): React.JSX.Element {
  const { left, right, titles } = props;
  const { trans } = useServices();
  const runs = React.useMemo(() => compare(left, right), [left, right]);
  if (runs.length === 0) {
    return <p className="ak-Quiet">{trans.__('Nothing was asked in either of them yet.')}</p>;
  }
  return (
    <div className="ak-Compare">
      <div className="ak-Compare-pair ak-Compare-titles">
        <b>{titles.left}</b>
        <b>{titles.right}</b>
      </div>
      {runs.map((pair, index) => (
        <Question key={index} pair={pair} number={index + 1} titles={titles} />
      ))}
    </div>
  );
}

/** One question of both sides; one line if both are the same. */
function Question(props: {
  readonly pair: RunPair;
  readonly number: number;
  readonly titles: Titles;
}): React.JSX.Element {
  const { pair, number, titles } = props;
  const { trans } = useServices();
  if (pair.same) {
    return (
      <p className="ak-Compare-same">
        <span aria-hidden="true">= </span>
        {trans.__('The same on both sides: %1', pair.left?.question ?? '')}
      </p>
    );
  }
  const sameCells = pair.cells.filter(cell => cell.same).length;
  const differing = pair.cells.filter(cell => !cell.same);
  const hasCharts = (pair.charts.left?.length ?? 0) + (pair.charts.right?.length ?? 0) > 0;
  return (
    <section className="ak-Compare-question" aria-label={trans.__('Question %1', number)}>
      <Both
        pair={pair}
        titles={titles}
        draw={run => <h3>{run.question}</h3>}
        none={trans.__('Not asked here.')}
      />
      <Both pair={pair} titles={titles} draw={run => <AnswerOf run={run} />} none="" />
      {hasCharts && (
        <Both
          pair={pair.charts}
          titles={titles}
          draw={charts => (
            <ul className="ak-Charts" aria-label={trans.__('Charts')}>
              {charts.map(version => (
                <li key={version.chart.id}>
                  <ChartPicture version={version} />
                  <div className="ak-Quiet">{version.title}</div>
                </li>
              ))}
            </ul>
          )}
          none=""
        />
      )}
      {sameCells > 0 && (
        <p className="ak-Compare-same">
          <span aria-hidden="true">= </span>
          {trans._n('%1 cell has the same code.', '%1 cells have the same code.', sameCells)}
        </p>
      )}
      {differing.map((cell, index) => (
        <CodeOf key={index} pair={cell} titles={titles} />
      ))}
    </section>
  );
}

/** A value of both sides, each in its column. */
function Both<T>(props: {
  readonly pair: Pair<T>;
  readonly titles: Titles;
  readonly draw: (side: T) => React.ReactNode;
  readonly none: string;
}): React.JSX.Element {
  const { pair, titles, draw, none } = props;
  const side = (value: T | null, title: string): React.JSX.Element => (
    <div className="ak-Compare-side" role="group" aria-label={title}>
      <span className="ak-Compare-name" aria-hidden="true">
        {title}
      </span>
      {value === null ? none !== '' && <span className="ak-Quiet">{none}</span> : draw(value)}
    </div>
  );
  return (
    <div className="ak-Compare-pair">
      {side(pair.left, titles.left)}
      {side(pair.right, titles.right)}
    </div>
  );
}

function AnswerOf({ run }: { readonly run: RunState }): React.JSX.Element {
  const { trans, rendermime } = useServices();
  const data = React.useMemo(() => ({ 'text/markdown': run.answer }), [run.answer]);
  if (run.answer === '') {
    return (
      <p className="ak-Quiet">
        {run.status === 'running' ? trans.__('At work.') : run.reason || trans.__('No answer.')}
      </p>
    );
  }
  return (
    <Rendered className="ak-Answer" rendermime={rendermime} mime="text/markdown" data={data} />
  );
}

/** A cell of both sides, line by line; a sign marks the lines of only one side. */
function CodeOf(props: { readonly pair: CellPair; readonly titles: Titles }): React.JSX.Element {
  const { pair, titles } = props;
  const { trans } = useServices();
  const name = (cell: IterationState | null): string =>
    cell === null
      ? trans.__('no such cell')
      : trans.__('cell %1: %2', cell.iteration, cell.purpose || trans.__('Code of yours'));
  const table = (side: 'left' | 'right', title: string): React.JSX.Element => (
    <div className="ak-Compare-side" role="group" aria-label={title}>
      <span className="ak-Compare-name" aria-hidden="true">
        {title}
      </span>
      <div className="ak-Quiet">{name(pair[side])}</div>
      {pair[side] !== null && (
        <pre className="ak-Compare-code">
          {pair.rows.map((row, index) => (
            <CodeLine key={index} row={row} side={side} />
          ))}
        </pre>
      )}
    </div>
  );
  return (
    <div className="ak-Compare-pair">
      {table('left', titles.left)}
      {table('right', titles.right)}
    </div>
  );
}

function CodeLine(props: {
  readonly row: ChangedRow;
  readonly side: 'left' | 'right';
}): React.JSX.Element {
  const { row, side } = props;
  const { trans } = useServices();
  const text = row[side];
  if (row.same) {
    return <div>{`  ${text ?? ''}`}</div>;
  }
  if (text === null) {
    return (
      <div className="ak-mod-absent" aria-hidden="true">
        {' '}
      </div>
    );
  }
  const mark = side === 'left' ? '−' : '+';
  return (
    <div className={side === 'left' ? 'ak-mod-removed' : 'ak-mod-added'}>
      <span aria-hidden="true">{mark} </span>
      <span className="ak-Hidden">{trans.__('only here:')} </span>
      {text}
    </div>
  );
}

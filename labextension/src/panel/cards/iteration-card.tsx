/** One cell: what it is for, its code, its outputs, how it ended. */
import * as React from 'react';
import { failed, repairedBy } from '../../session/progress';
import type { IterationState, Outcome, RunState } from '../../session/state';
import { CodeBlock } from '../controls/code-block';
import { Outputs } from './outputs';
import { ErrorSentence, RepairNote } from './repair-note';
import { useNow, usePanel, useServices } from '../services';
import { CodeText } from '../controls/code-text';
import { duration } from '../controls/format';

interface Props {
  readonly cell: IterationState;
  /** The cell that this one repairs. */
  readonly before: IterationState | null;
  readonly repairs: number;
  /** Open until the user closes it. */
  readonly startsOpen: boolean;
  /** Shows the error although the card is closed, while no repair shows it. */
  readonly showsError?: boolean;
  readonly verdict?: string | undefined;
  /** Its run was undone, so the cell is no longer in the notebook. */
  readonly gone?: boolean;
}

/** Return the props that depend on the run: which cell this cell repairs, and the limit. */
export function cardProps(
  run: RunState,
  iterations: readonly IterationState[],
  cell: IterationState
): Pick<Props, 'before' | 'repairs'> {
  return { before: repairedBy(iterations, cell), repairs: run.limits.repairs };
}

export const IterationCard = React.memo(function IterationCard(props: Props): React.JSX.Element {
  const { cell, before, repairs, startsOpen, showsError = false, verdict, gone = false } = props;
  const { trans, model, actions } = useServices();
  const revealed = usePanel(m => (m.revealed.cell === cell.cell ? m.revealed.count : 0));
  const [chosen, setChosen] = React.useState<boolean | null>(null);
  const root = React.useRef<HTMLElement>(null);
  const running = cell.outcome === 'running';
  const open = chosen ?? startsOpen;
  const bodyId = React.useId();
  const title = cell.purpose === '' ? trans.__('Code of yours') : cell.purpose;

  React.useEffect(() => {
    if (revealed > 0) {
      setChosen(true);
      // After the card has opened, so that its position is final.
      requestAnimationFrame(() => {
        bringIntoView(root.current);
      });
    }
  }, [revealed]);

  const name = cell.iteration > 0 ? trans.__('cell %1', cell.iteration) : trans.__('cell');
  return (
    <article
      ref={root}
      className={`ak-Iteration ak-mod-${cell.outcome}${revealed > 0 ? ' ak-mod-revealed' : ''}`}
      data-cell={cell.cell}
      tabIndex={-1}
      aria-label={`${name}: ${title}`}
    >
      <div className="ak-Iteration-head">
        <button
          type="button"
          className="ak-Iteration-toggle"
          aria-expanded={open}
          aria-controls={open ? bodyId : undefined}
          onClick={() => {
            setChosen(!open);
          }}
        >
          <OutcomeMark outcome={cell.outcome} repaired={before !== null} />
          <span className="ak-Iteration-title">
            <CodeText text={title} />
          </span>
        </button>
        <span className="ak-Iteration-side">
          {before !== null && running && (
            <span>{trans.__('repair %1 of %2', cell.attempt - 1, repairs)}</span>
          )}
          <Elapsed cell={cell} />
          {verdict !== undefined && <span>{verdict}</span>}
          {cell.userChange !== null && (
            <span className="ak-ByHand">
              {
                {
                  ran: trans.__('re-run by hand'),
                  edited: trans.__('edited by you'),
                  deleted: trans.__('deleted by you')
                }[cell.userChange]
              }
            </span>
          )}
          {cell.iteration > 0 && (
            <button
              type="button"
              className="ak-Link"
              disabled={actions.openNotebook === null || gone || cell.userChange === 'deleted'}
              title={trans.__('Show this cell in the notebook')}
              onClick={() => {
                if (model.analysis !== null) {
                  actions.openNotebook?.(model.analysis, cell.cell);
                }
              }}
            >
              {name}
            </button>
          )}
        </span>
      </div>
      {before !== null && (open || running) && <RepairNote before={before} code={cell.code} />}
      {!open && showsError && (
        <div className="ak-Error">
          <ErrorSentence cell={cell} />
        </div>
      )}
      {cell.hints.length > 0 && (
        <ul className="ak-Hints" aria-label={trans.__('What to look at twice in %1', name)}>
          {cell.hints.map(hint => (
            <li key={`${hint.code} ${hint.message}`} title={hint.advice}>
              <CodeText text={hint.message} />
            </li>
          ))}
        </ul>
      )}
      {open && (
        <div id={bodyId}>
          <CodeBlock
            code={cell.code}
            language={cell.language === 'sql' && !cell.code.includes('"""') ? 'sql' : 'python'}
            label={trans.__('Code of %1', name)}
          />
          {cell.outputs.length > 0 && (
            <Outputs outputs={cell.outputs} label={trans.__('Output of %1', name)} />
          )}
          {failed(cell) && (
            <div className="ak-Error">
              <ErrorSentence cell={cell} />
            </div>
          )}
          {cell.lineage !== '' && (
            <p className="ak-Lineage" title={trans.__('Where these tables come from')}>
              <CodeText text={cell.lineage} />
            </p>
          )}
          {!running && cell.userChange !== 'deleted' && !gone && (
            <div className="ak-Row ak-Iteration-actions">
              <button
                type="button"
                className="ak-Link"
                onClick={() => void model.send({ type: 'run_again', cell: cell.cell })}
              >
                {trans.__('Run again')}
              </button>
              <button
                type="button"
                className="ak-Link"
                onClick={() => {
                  void navigator.clipboard.writeText(cell.code).then(() => {
                    actions.notify(trans.__('Code copied.'));
                  });
                }}
              >
                {trans.__('Copy code')}
              </button>
              <button
                type="button"
                className="ak-Link"
                onClick={() => {
                  if (model.analysis !== null) {
                    actions.branch(model.analysis, { cell: cell.cell });
                  }
                }}
              >
                {trans.__('Branch from here')}
              </button>
            </div>
          )}
        </div>
      )}
    </article>
  );
});

/** A sign for the outcome of a cell; the colour alone would not be accessible. */
function OutcomeMark(props: {
  readonly outcome: Outcome;
  readonly repaired: boolean;
}): React.JSX.Element {
  const { trans } = useServices();
  const marks: Readonly<Record<Outcome, readonly [string, string]>> = {
    running: ['●', trans.__('running')],
    ok: ['✓', trans.__('done')],
    error: ['✕', trans.__('failed')],
    timeout: ['✕', trans.__('took too long')],
    cancelled: ['■', trans.__('stopped')],
    rejected: ['–', trans.__('not run')]
  };
  const [mark, name] = marks[props.outcome];
  return (
    <span className={`ak-Mark ak-mod-${props.outcome}${props.repaired ? ' ak-mod-repair' : ''}`}>
      <span aria-hidden="true">{props.repaired && props.outcome === 'running' ? '↻' : mark}</span>
      <span className="ak-Hidden">{name}</span>
    </span>
  );
}

function Elapsed({ cell }: { readonly cell: IterationState }): React.JSX.Element | null {
  const running = cell.outcome === 'running';
  const now = useNow(running);
  if (running) {
    const seconds = now - cell.startedAt;
    // A number that changes within the first second only distracts.
    return seconds < 1 ? null : <span>{duration(Math.floor(seconds))}</span>;
  }
  return cell.seconds >= 0.05 ? <span>{duration(cell.seconds)}</span> : null;
}

/** Scroll the conversation, and nothing around it, to the card. */
function bringIntoView(card: HTMLElement | null): void {
  const scroller = card?.closest('.ak-Scroll');
  if (card !== null && scroller !== null && scroller !== undefined) {
    const top = card.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    scroller.scrollTop += top - 16;
    card.focus({ preventScroll: true });
  }
}

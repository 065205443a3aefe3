/** One question with everything that happens until its answer. */
import * as React from 'react';
import { failed, isWriting, iterationsOf, repairCount, waitingFor } from '../../session/progress';
import type { Entry, IterationState, RunState, VerificationState } from '../../session/state';
import { Activity } from './activity';
import { AnswerView } from './answer-view';
import { ApprovalCard } from '../cards/approval-card';
import { PackageCard } from '../cards/package-card';
import { AskCard } from '../cards/ask-card';
import { CallView } from './call-view';
import { FailureCard, RetryBanner } from './failure-card';
import { cardProps, IterationCard } from '../cards/iteration-card';
import { KeptLine, NoticeLine } from './notice-line';
import { PlanCard, PlanList } from '../cards/plan';
import { QuestionText } from './question';
import { RunCharts } from '../charts/run-charts';
import { usePanel, useServices } from '../services';
import { RunMenu, Undone } from './undo-run';
import { duration } from '../controls/format';

interface Props {
  readonly run: RunState;
  readonly isLast: boolean;
}

export const RunView = React.memo(function RunView({ run, isLast }: Props): React.JSX.Element {
  const { trans } = useServices();
  return (
    <section
      className={`ak-Run${isLast ? '' : ' ak-mod-past'}${run.undone === null ? '' : ' ak-mod-undone'}`}
      aria-label={run.question}
      data-status={run.status}
    >
      <div className="ak-Question">
        <span className="ak-Hidden">{trans.__('Question:')} </span>
        <div className="ak-Question-text">
          <QuestionText text={run.question} />
        </div>
        {run.status !== 'running' && run.undone === null && <RunMenu run={run} />}
      </div>
      {run.status === 'running' ? <AtWork run={run} /> : <Finished run={run} isLast={isLast} />}
    </section>
  );
});

function AtWork({ run }: { readonly run: RunState }): React.JSX.Element {
  return (
    <>
      {/* A plan that waits is shown by its card. */}
      {waitingFor(run)?.kind !== 'plan' && <PlanList run={run} />}
      <Entries run={run} />
      {run.retry !== null && <RetryBanner run={run} retry={run.retry} />}
      <Activity run={run} />
    </>
  );
}

function Finished({ run, isLast }: Props): React.JSX.Element {
  const { trans } = useServices();
  const iterations = iterationsOf(run);
  const revealed = usePanel(model =>
    iterations.some(cell => cell.cell === model.revealed.cell) ? model.revealed.count : 0
  );
  const [open, setOpen] = React.useState(false);
  React.useEffect(() => {
    if (revealed > 0) {
      setOpen(true);
    }
  }, [revealed]);
  const repairs = repairCount(run);
  const summary = [
    run.plan.length > 0 ? trans._n('%1 step', '%1 steps', run.plan.length) : '',
    trans._n('%1 iteration', '%1 iterations', iterations.length),
    repairs > 0 ? trans._n('%1 repair', '%1 repairs', repairs) : ''
  ];
  const warnings = run.entries.filter(entry => entry.kind === 'notice');
  return (
    <>
      {(iterations.length > 0 || run.plan.length > 0) && (
        <details
          className="ak-Steps"
          open={open}
          onToggle={event => {
            setOpen(event.currentTarget.open);
          }}
        >
          <summary>
            <span>{summary.filter(part => part !== '').join(', ')}</span>
            {run.seconds > 0 && <span className="ak-Side">{duration(run.seconds)}</span>}
          </summary>
          {open && (
            <div className="ak-Stack">
              <PlanList run={run} />
              <Entries run={run} />
            </div>
          )}
        </details>
      )}
      {run.undone !== null && <Undone run={run} />}
      {!open &&
        run.undone === null &&
        warnings
          .filter(notice => notice.level === 'warning')
          .map(notice => <NoticeLine key={notice.number} notice={notice} />)}
      {run.undone === null && <Result run={run} isLast={isLast} />}
    </>
  );
}

function Result({ run, isLast }: Props): React.JSX.Element {
  const iterations = iterationsOf(run);
  return (
    <>
      <RunCharts run={run} />
      {/* If nothing has run, the failure card below says everything. */}
      {run.status === 'answered' ||
      (run.answer !== '' && (iterations.length > 0 || run.status === 'incomplete')) ? (
        <AnswerView run={run} isLast={isLast} />
      ) : null}
      {run.status !== 'answered' && <FailureCard run={run} isLast={isLast} />}
    </>
  );
}

function Entries({ run }: { readonly run: RunState }): React.JSX.Element {
  const iterations = iterationsOf(run);
  const verification = usePanel(model => model.state?.verification ?? null);
  const last = iterations.at(-1);
  return (
    <>
      {run.entries.map((entry, index) => (
        <EntryView
          key={keyOf(entry, index)}
          entry={entry}
          run={run}
          iterations={iterations}
          isLast={entry === last}
          verification={verification}
        />
      ))}
    </>
  );
}

function keyOf(entry: Entry, index: number): string {
  switch (entry.kind) {
    case 'iteration':
      return `cell-${entry.cell}`;
    case 'call':
      return `call-${String(entry.call)}`;
    case 'notice':
    case 'kept':
      return `${entry.kind}-${String(entry.number)}`;
    default:
      return `${entry.kind}-${entry.ask}-${String(index)}`;
  }
}

function EntryView(props: {
  readonly entry: Entry;
  readonly run: RunState;
  readonly iterations: readonly IterationState[];
  readonly isLast: boolean;
  readonly verification: VerificationState | null;
}): React.JSX.Element | null {
  const { entry, run, iterations, isLast, verification } = props;
  const { trans } = useServices();
  switch (entry.kind) {
    case 'iteration': {
      const working = run.status === 'running';
      const startsOpen =
        entry.outcome === 'running' || (working && !failed(entry) && (isLast || hasPicture(entry)));
      const verdict = verification?.cells[entry.cell]?.verdict;
      return (
        <IterationCard
          cell={entry}
          gone={run.undone !== null}
          {...cardProps(run, iterations, entry)}
          startsOpen={startsOpen}
          showsError={working && isLast && failed(entry) && !isWriting(run)}
          verdict={
            verdict === undefined
              ? undefined
              : {
                  reproduced: trans.__('✓ reproduced'),
                  differs: trans.__('≠ differs'),
                  error: trans.__('✕ error'),
                  skipped: trans.__('– skipped')
                }[verdict]
          }
        />
      );
    }
    case 'call':
      return <CallView call={entry} run={run} />;
    case 'ask':
      return <AskCard ask={entry} active={run.status === 'running'} />;
    case 'approval':
      return entry.offer === null ? (
        <ApprovalCard approval={entry} active={run.status === 'running'} />
      ) : (
        <PackageCard approval={entry} offer={entry.offer} active={run.status === 'running'} />
      );
    case 'plan':
      return <PlanCard approval={entry} active={run.status === 'running'} />;
    case 'notice':
      return <NoticeLine notice={entry} />;
    case 'kept':
      return <KeptLine kept={entry} />;
    default: {
      const rest: never = entry;
      throw new Error(`Unknown entry ${JSON.stringify(rest)}`);
    }
  }
}

function hasPicture(cell: IterationState): boolean {
  return cell.outputs.some(
    output =>
      (output.output_type === 'display_data' || output.output_type === 'execute_result') &&
      'image/png' in output.data
  );
}

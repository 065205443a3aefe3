/** The conversation: every run, and the questions that were just sent, the newest last. */
import * as React from 'react';
import type { IterationState, NoticeState, RunState } from '../../session/state';
import { BranchLine } from './branch-line';
import { FirstRun } from './first-run';
import { IterationCard } from '../cards/iteration-card';
import { NoticeLine } from './notice-line';
import { Pending } from './question';
import { RunView } from './run-view';
import { useAutoScroll } from './use-auto-scroll';
import { usePanel, useServices } from '../services';

const NO_RUNS: readonly RunState[] = [];
const NO_CELLS: readonly IterationState[] = [];
const NO_NOTICES: readonly NoticeState[] = [];

export function Conversation(): React.JSX.Element {
  const { trans } = useServices();
  const analysis = usePanel(model => model.analysis);
  const runs = usePanel(model => model.state?.runs ?? NO_RUNS);
  const userCells = usePanel(model => model.state?.userCells ?? NO_CELLS);
  const notices = usePanel(model => model.state?.notices ?? NO_NOTICES);
  const branch = usePanel(model => model.state?.branch ?? null);
  const pending = usePanel(model => model.pending);
  const loaded = usePanel(m => m.analysis === null || m.store.isLoaded(m.analysis));
  const last = runs.at(-1);
  const newest = runs.findLast(run => run.undone === null) ?? last;
  const finished = last !== undefined && last.status !== 'running' && pending.length === 0;
  const empty =
    runs.length === 0 && userCells.length === 0 && pending.length === 0 && branch === null;
  const { scroller, content, away, toEnd } = useAutoScroll(
    analysis,
    pending.length,
    finished,
    empty
  );
  return (
    <div className="ak-Middle">
      <main className="ak-Scroll" ref={scroller} tabIndex={-1}>
        <div
          className="ak-Conversation"
          ref={content}
          role="log"
          aria-label={trans.__('Conversation')}
          aria-live="polite"
          aria-relevant="additions"
          aria-busy={!loaded}
        >
          {empty && (analysis === null || loaded) && <FirstRun />}
          {empty && analysis !== null && !loaded && (
            <div className="ak-Activity">{trans.__('Loading the analysis …')}</div>
          )}
          {branch?.runs === 0 && <BranchLine branch={branch} />}
          {runs.map((run, index) => (
            // A branch has runs with the same ids as its parent.
            <React.Fragment key={`${analysis ?? ''} ${run.id}`}>
              <RunView run={run} isLast={run === newest} />
              {branch?.runs === index + 1 && <BranchLine branch={branch} />}
            </React.Fragment>
          ))}
          {userCells.length > 0 && <UserCells cells={userCells} />}
          {notices.slice(-3).map(notice => (
            <NoticeLine key={notice.number} notice={notice} />
          ))}
          {pending.map(one => (
            <Pending key={one.id} pending={one} />
          ))}
        </div>
      </main>
      {away && (
        <button type="button" className="ak-ToEnd" onClick={toEnd}>
          {trans.__('↓ Newest')}
        </button>
      )}
    </div>
  );
}

/** Cells that the user ran. */
function UserCells({ cells }: { readonly cells: readonly IterationState[] }): React.JSX.Element {
  const { trans } = useServices();
  return (
    <section className="ak-Stack" aria-label={trans.__('Run by you')}>
      <div className="ak-Quiet">{trans.__('Run by you')}</div>
      {cells.map(cell => (
        <IterationCard
          key={cell.cell}
          cell={cell}
          before={null}
          repairs={0}
          startsOpen={cell.outcome === 'running'}
        />
      ))}
    </section>
  );
}

/** The conversation: every run, what was just sent, and the newest at the foot of the page. */
import * as React from 'react';
import type { IterationState, NoticeState, RunState } from '../session/state';
import { FirstRun } from './first-run';
import { IterationCard } from './iteration-card';
import { NoticeLine } from './notice-line';
import { Pending } from './pending';
import { RunView } from './run-view';
import { usePanel, useServices } from './services';

/** Within this distance of the end (pixels), new things keep the end in view. */
const NEAR = 60;
const NO_RUNS: readonly RunState[] = [];
const NO_CELLS: readonly IterationState[] = [];
const NO_NOTICES: readonly NoticeState[] = [];

/** The middle of the panel. */
export function Conversation(): React.JSX.Element {
  const { trans } = useServices();
  const analysis = usePanel(model => model.analysis);
  const runs = usePanel(model => model.state?.runs ?? NO_RUNS);
  const byHand = usePanel(model => model.state?.byHand ?? NO_CELLS);
  const notices = usePanel(model => model.state?.notices ?? NO_NOTICES);
  const pending = usePanel(model => model.pending);
  const loaded = usePanel(m => m.analysis === null || m.store.isLoaded(m.analysis));
  const last = runs.at(-1);
  const finished = last !== undefined && last.status !== 'running' && pending.length === 0;
  const { scroller, content, away, toEnd } = useStickToEnd(analysis, pending.length, finished);
  const empty = runs.length === 0 && byHand.length === 0 && pending.length === 0;
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
          {runs.map((run, index) => (
            <RunView key={run.id} run={run} isLast={index === runs.length - 1} />
          ))}
          {byHand.length > 0 && <ByHand cells={byHand} />}
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

/** Cells that the person ran. */
function ByHand({ cells }: { readonly cells: readonly IterationState[] }): React.JSX.Element {
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

/**
 * Keeps the end in view while the person is there; says when they are not. A run that is finished
 * is shown from its question on.
 */
function useStickToEnd(
  analysis: string | null,
  sent: number,
  finished: boolean
): {
  scroller: React.RefObject<HTMLElement>;
  content: React.RefObject<HTMLDivElement>;
  away: boolean;
  toEnd: () => void;
} {
  const scroller = React.useRef<HTMLElement>(null);
  const content = React.useRef<HTMLDivElement>(null);
  const atEnd = React.useRef(true);
  const [away, setAway] = React.useState(false);

  const toEnd = React.useCallback(() => {
    const element = scroller.current;
    if (element !== null) {
      element.scrollTop = element.scrollHeight;
    }
    atEnd.current = true;
    setAway(false);
  }, []);

  React.useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (element === null || inner === null) {
      return;
    }
    let height = element.scrollHeight;
    const onScroll = (): void => {
      // A change of height moves the end, not the person.
      if (element.scrollHeight === height) {
        const left = element.scrollHeight - element.scrollTop - element.clientHeight;
        atEnd.current = left < NEAR;
        setAway(left > element.clientHeight);
      }
      height = element.scrollHeight;
    };
    element.addEventListener('scroll', onScroll, { passive: true });
    const observer =
      typeof ResizeObserver === 'undefined'
        ? null
        : new ResizeObserver(() => {
            height = element.scrollHeight;
            if (atEnd.current) {
              element.scrollTop = element.scrollHeight;
            }
          });
    observer?.observe(inner);
    return () => {
      element.removeEventListener('scroll', onScroll);
      observer?.disconnect();
    };
  }, []);

  React.useEffect(toEnd, [analysis, sent, toEnd]);
  React.useEffect(() => {
    const element = scroller.current;
    const run = content.current?.querySelector<HTMLElement>('.ak-Run:last-of-type');
    if (finished && atEnd.current && element !== null && run !== null && run !== undefined) {
      // The picture of the answer comes a moment later; until then this stays the place.
      atEnd.current = false;
      element.scrollTop = run.offsetTop - 12;
    }
  }, [analysis, finished]);
  return { scroller, content, away, toEnd };
}

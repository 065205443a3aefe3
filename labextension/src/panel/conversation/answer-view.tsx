/** The answer: Markdown with its numbers as links, assumptions, caveats and next questions. */
import * as React from 'react';
import { Rendered } from '../../rendering/rendered';
import { markPlaces, shownText } from '../../rendering/number-links';
import {
  cellReferences,
  mergePlaces,
  numberPlaces,
  outsideForms
} from '../../session/number-places';
import { cellNumbered, findCell } from '../../session/progress';
import type { RunState } from '../../session/state';
import { Menu } from '../controls/menu';
import { usePanel, useServices } from '../services';
import { ChangedSince, Outcome } from './freshness';
import { modeMeaning, modeName } from '../privacy/modes';
import { CodeText } from '../controls/code-text';
import { VerificationBadge } from '../controls/verification-badge';

const MARKDOWN = 'text/markdown';

interface Props {
  readonly run: RunState;
  /** Only the last answer offers next questions and actions. */
  readonly isLast: boolean;
}

export const AnswerView = React.memo(function AnswerView(props: Props): React.JSX.Element {
  const { run, isLast } = props;
  const { trans, model } = useServices();
  const caveats = run.details?.caveats ?? [];
  const assumptions = run.details?.assumptions ?? [];
  const next = run.details?.next_questions ?? [];
  return (
    <>
      <MadeIn run={run} />
      <ReadSince run={run} />
      <ChangedSince run={run} />
      <Outcome run={run} />
      <AnswerText run={run} />
      <Unproven run={run} />
      {caveats.length > 0 && (
        <Notes title={trans.__('Keep in mind')} notes={caveats} kind="caveats" />
      )}
      {assumptions.length > 0 && (
        <Notes title={trans.__('Assumed')} notes={assumptions} kind="assumptions" />
      )}
      <Findings run={run} />
      {isLast && next.length > 0 && (
        <div className="ak-Next" role="group" aria-label={trans.__('Next questions')}>
          {next.slice(0, 3).map(question => (
            <button
              key={question}
              type="button"
              className="ak-Suggestion"
              onClick={() => void model.ask(question)}
            >
              {question}
            </button>
          ))}
        </div>
      )}
      {isLast ? <AnswerActions run={run.id} /> : <BranchButton run={run.id} />}
    </>
  );
});

/** Says in which privacy mode the answer was made, unless the model saw everything. */
function MadeIn({ run }: { readonly run: RunState }): React.JSX.Element | null {
  const { trans } = useServices();
  if (run.privacy === 'full') {
    return null;
  }
  return (
    <div className="ak-MadeIn" title={modeMeaning(run.privacy, trans)}>
      {trans.__('Made in privacy mode: %1', modeName(run.privacy, trans))}
    </div>
  );
}

/** Says that the user has the data read otherwise since the answer was made. */
function ReadSince({ run }: { readonly run: RunState }): React.JSX.Element | null {
  const { trans } = useServices();
  if (run.readSince === '') {
    return null;
  }
  return (
    <div className="ak-Notice ak-mod-warning">
      <span aria-hidden="true">⚠</span>
      <span>
        {trans.__(
          'This answer rests on an earlier reading of the data. Since then: %1 Ask again for numbers that hold.',
          run.readSince
        )}
      </span>
    </div>
  );
}

function AnswerText({ run }: { readonly run: RunState }): React.JSX.Element {
  const { trans, model, rendermime } = useServices();
  const data = React.useMemo(() => ({ [MARKDOWN]: run.answer }), [run.answer]);
  const mark = React.useCallback(
    (host: HTMLElement) => {
      // A wide table scrolls, so it must be reachable with the keyboard.
      for (const table of host.querySelectorAll('table')) {
        table.tabIndex = 0;
      }
      const { state } = model;
      const nameOf = (id: string, derivation: string): string => {
        const cell = state === null ? null : findCell(state, id);
        if (cell === null || cell.iteration === 0) {
          return derivation || trans.__('Show the cell');
        }
        return trans.__('From cell %1: %2', cell.iteration, derivation || cell.purpose);
      };
      const shown = shownText(host);
      const references = cellReferences(shown, number =>
        state === null ? null : (cellNumbered(state, run, number)?.cell ?? null)
      );
      const numbers = outsideForms(shown, numberPlaces(shown, run.numbers));
      markPlaces(host, mergePlaces(numbers, references), {
        proven: nameOf,
        unproven: trans.__('Not verified: this number stands in no output.'),
        follow: cell => {
          model.reveal(cell);
        }
      });
    },
    [model, run, trans]
  );
  return (
    <Rendered
      className="ak-Answer"
      rendermime={rendermime}
      mime={MARKDOWN}
      data={data}
      onRendered={mark}
    />
  );
}

/** Names the numbers that no cell shows, with the nearest values that one does. */
function Unproven({ run }: { readonly run: RunState }): React.JSX.Element | null {
  const { trans } = useServices();
  const names = new Set(
    run.numbers
      .filter(number => number.cell === null)
      .map(number => {
        // Journals of earlier versions name no nearest value.
        const nearest = (number.nearest as string | undefined) ?? '';
        return nearest === '' ? number.text : trans.__('%1 (nearest: %2)', number.text, nearest);
      })
  );
  if (names.size === 0) {
    return null;
  }
  return (
    <p className="ak-Side ak-Unproven">
      † {trans.__('Not verified, no executed cell shows it: %1', [...names].join('; '))}
    </p>
  );
}

function Notes(props: {
  readonly title: string;
  readonly notes: readonly string[];
  readonly kind: 'caveats' | 'assumptions';
}): React.JSX.Element {
  return (
    <div className={`ak-Notes ak-mod-${props.kind}`}>
      <b>{props.title}</b>
      <ul>
        {props.notes.map(note => (
          <li key={note}>
            <CodeText text={note} />
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The findings behind the answer, folded, each with its cells. */
function Findings({ run }: { readonly run: RunState }): React.JSX.Element | null {
  const { trans, model } = useServices();
  if (run.findings.length === 0) {
    return null;
  }
  const numberOf = (id: string): number =>
    model.state === null ? 0 : (findCell(model.state, id)?.iteration ?? 0);
  return (
    <details className="ak-Findings">
      <summary>{trans._n('%1 finding', '%1 findings', run.findings.length)}</summary>
      <ul>
        {run.findings.map(finding => (
          <li key={finding.id}>
            <CodeText text={finding.statement} />{' '}
            {finding.cells.map(cell => (
              <button
                key={cell}
                type="button"
                className="ak-Link"
                onClick={() => {
                  model.reveal(cell);
                }}
              >
                {trans.__('cell %1', numberOf(cell))}
              </button>
            ))}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Starts an analysis from the end of this run. */
function BranchButton({ run }: { readonly run: string }): React.JSX.Element {
  const { trans, model, actions } = useServices();
  return (
    <button
      type="button"
      className="ak-Link"
      title={trans.__('Start a new analysis from this answer, with its variables')}
      onClick={() => {
        if (model.analysis !== null) {
          actions.branch(model.analysis, { run });
        }
      }}
    >
      {trans.__('Branch from here')}
    </button>
  );
}

/** The actions of an answered analysis. */
function AnswerActions({ run: id }: { readonly run: string }): React.JSX.Element {
  const { trans, model, actions } = useServices();
  const verification = usePanel(m => m.state?.verification ?? null);
  const { analysis } = model;
  const run = (action: (analysis: string) => void) => () => {
    if (analysis !== null) {
      action(analysis);
    }
  };
  return (
    <div className="ak-Row ak-AnswerActions">
      {actions.openNotebook !== null && (
        <button type="button" className="ak-Link" onClick={run(id => actions.openNotebook?.(id))}>
          {trans.__('Open notebook')}
        </button>
      )}
      <ExportMenu />
      <BranchButton run={id} />
      {(verification === null || (verification.stale && verification.reproduced !== null)) && (
        <button
          type="button"
          className="ak-Link"
          title={trans.__(
            'Runs all cells in a fresh kernel and compares their outputs. Whether they answer the question is not checked.'
          )}
          onClick={() => void model.send({ type: 'verify_analysis' })}
        >
          {trans.__('Verify')}
        </button>
      )}
      {verification !== null && <VerificationBadge verification={verification} />}
    </div>
  );
}

/** The export formats. */
export function ExportMenu(): React.JSX.Element {
  const { trans, model, actions } = useServices();
  const to = (format: 'ipynb' | 'html' | 'py', clean: boolean) => () => {
    if (model.analysis !== null) {
      actions.exportAnalysis(model.analysis, format, clean);
    }
  };
  return (
    <Menu
      label={trans.__('Export')}
      className="ak-Link"
      place="above"
      items={[
        {
          label: trans.__('Notebook, complete'),
          detail: trans.__('Every iteration, failed ones too'),
          run: to('ipynb', false)
        },
        {
          label: trans.__('Notebook, clean'),
          detail: trans.__('Only what led to the answer; runs elsewhere'),
          run: to('ipynb', true)
        },
        { label: trans.__('Web page (HTML)'), run: to('html', false) },
        { label: trans.__('Python script'), run: to('py', true) }
      ]}
    >
      {trans.__('Export')}
    </Menu>
  );
}

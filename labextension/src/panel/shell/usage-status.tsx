/** What was used: by the question, by the analysis, today; and the budgets of the three. */
import * as React from 'react';
import type { Spent } from '../../client/records';
import type { Usage } from '../../protocol/generated';
import { tokensIn } from '../../session/progress';
import { NO_USAGE, type RunState } from '../../session/state';
import { Dialog } from '../controls/dialog';
import { costText, count, dollars, tokens } from '../controls/format';
import { usePanel, useServices } from '../services';

/** What the analysis and the day used, and the limit for the day. */
interface Totals {
  readonly analysis: Usage;
  readonly today: Usage;
  readonly dayLimit: number | null;
  readonly problem: string;
  readonly keep: (spent: Spent) => void;
}

/**
 * Return the sums of the analysis and the day: as the events count them while a run is at work, and
 * as the server says when the panel opens and a run ends, because other analyses cost too.
 */
function useTotals(running: boolean): Totals {
  const { model } = useServices();
  const analysis = usePanel(m => m.analysis);
  const counted = usePanel(m => m.state?.spent ?? null);
  const last = counted?.number ?? 0;
  const [asked, setAsked] = React.useState<{
    readonly spent: Spent;
    readonly analysis: string | null;
    readonly at: number;
  } | null>(null);

  React.useEffect(() => {
    if (running) {
      return;
    }
    let gone = false;
    model.store.rest.usage(analysis).then(
      spent => {
        if (!gone) {
          setAsked({ spent, analysis, at: last });
        }
      },
      // What the events say holds then.
      () => undefined
    );
    return () => {
      gone = true;
    };
  }, [model, analysis, running, last]);

  const fresh =
    asked !== null && asked.analysis === analysis && asked.at >= last ? asked.spent : null;
  return {
    analysis: fresh?.analysis_usage ?? counted?.analysis ?? NO_USAGE,
    today: fresh?.day_usage ?? counted?.today ?? NO_USAGE,
    dayLimit: asked?.spent.day_limit_usd ?? null,
    problem: asked?.spent.problem ?? '',
    keep: spent => {
      const used = fresh?.analysis_usage ?? counted?.analysis ?? NO_USAGE;
      setAsked({ spent: { ...spent, analysis_usage: used }, analysis, at: last });
    }
  };
}

/** Tokens and cost of the question, and the cost of analysis and day; a click shows all of it. */
export function UsageStatus({ run }: { readonly run: RunState | null }): React.JSX.Element {
  const { trans } = useServices();
  const [open, setOpen] = React.useState(false);
  const running = run?.status === 'running';
  const totals = useTotals(running);
  const budget = usePanel(m =>
    m.analysis === null
      ? (m.choice.budget ?? m.defaults.budget)
      : (m.state?.budget ?? run?.limits.cost_usd ?? null)
  );
  const analysisBudget = usePanel(m =>
    m.analysis === null
      ? (m.choice.analysisBudget ?? m.defaults.analysisBudget)
      : (m.state?.analysisBudget ?? run?.limits.analysis_usd ?? null)
  );
  const usage = run?.isAi === true && wasUsed(run.usage) ? run.usage : null;

  const of = (used: Usage, limit: number | null): string =>
    limit === null
      ? costText(used, trans)
      : trans.__('%1 of %2', costText(used, trans), dollars(limit));
  const parts: string[] = [];
  if (run !== null && usage !== null) {
    parts.push(tokenText(run, trans));
  }
  if (usage !== null || budget !== null) {
    parts.push(of(usage ?? NO_USAGE, budget));
  }
  if (wasUsed(totals.analysis)) {
    parts.push(trans.__('analysis %1', of(totals.analysis, analysisBudget)));
    parts.push(trans.__('today %1', of(totals.today, totals.dayLimit)));
  }
  return (
    <span className="ak-Usage" role="status" aria-label={trans.__('Usage')} aria-live="off">
      <button
        type="button"
        className="ak-Quiet ak-Usage-button"
        title={trans.__(
          'What this question, this analysis and today used. Click for all of it, and for budgets.'
        )}
        onClick={() => {
          setOpen(true);
        }}
      >
        {parts.length === 0 ? trans.__('No tokens used') : parts.join(' · ')}
      </button>
      {open && (
        <UsageDialog
          usage={usage ?? NO_USAGE}
          totals={totals}
          budgets={[budget, analysisBudget, totals.dayLimit]}
          onClose={() => {
            setOpen(false);
          }}
        />
      )}
    </span>
  );
}

function wasUsed(usage: Usage): boolean {
  return usage.calls > 0 || usage.failed_calls > 0;
}

type Trans = ReturnType<typeof useServices>['trans'];

function tokenText(run: RunState, trans: Trans): string {
  const { usage } = run;
  const all = tokensIn(run);
  if (run.status === 'running') {
    return trans.__('%1 tokens', tokens(all + usage.output_tokens));
  }
  return [
    trans.__('%1 in', tokens(all)),
    ...(usage.cached_tokens > 0 ? [trans.__('%1 cached', tokens(usage.cached_tokens))] : []),
    trans.__('%1 out', tokens(usage.output_tokens))
  ].join(', ');
}

interface Props {
  readonly usage: Usage;
  readonly totals: Totals;
  /** US dollars for the question, the analysis and the day; `null` for no limit. */
  readonly budgets: readonly [number | null, number | null, number | null];
  readonly onClose: () => void;
}

/** All that was used, and the three budgets to change. */
function UsageDialog({ usage, totals, budgets, onClose }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const locked = usePanel(m => m.store.status?.locked);
  const [texts, setTexts] = React.useState(budgets.map(b => (b === null ? '' : String(b))));
  const amounts = texts.map(amountOf);
  const fields = [
    { label: trans.__('A question, in US dollars; empty for no limit'), lock: 'budget_usd' },
    { label: trans.__('This analysis'), lock: 'analysis_budget_usd' },
    { label: trans.__('Each day, all analyses together'), lock: 'day_budget_usd' }
  ];
  const keep = async (): Promise<void> => {
    const [question = null, analysis = null, day = null] = amounts;
    if (question !== budgets[0] || analysis !== budgets[1]) {
      await model.choose({ budget: question, analysisBudget: analysis });
    }
    if (day !== budgets[2]) {
      const spent = await model.attempt(() => model.store.rest.limitDay(day));
      if (spent !== null) {
        totals.keep(spent);
      }
    }
  };
  return (
    <Dialog title={trans.__('Usage and budgets')} onClose={onClose}>
      <UsageTable
        columns={[
          [trans.__('Question'), usage],
          [trans.__('Analysis'), totals.analysis],
          [trans.__('Today'), totals.today]
        ]}
      />
      {totals.problem !== '' && <p className="ak-Quiet">{totals.problem}</p>}
      <form
        className="ak-Stack"
        onSubmit={event => {
          event.preventDefault();
          void keep();
          onClose();
        }}
      >
        <h3>{trans.__('Budgets')}</h3>
        {fields.map(({ label, lock }, place) => (
          <label className="ak-Field" key={lock}>
            {label}
            <input
              className="ak-Input"
              inputMode="decimal"
              value={texts[place]}
              autoFocus={place === 0}
              disabled={locked?.[lock] !== undefined}
              aria-invalid={amounts[place] === undefined}
              onChange={event => {
                const { value } = event.target;
                setTexts(before => before.map((text, at) => (at === place ? value : text)));
              }}
            />
          </label>
        ))}
        <p className="ak-Quiet">
          {trans.__(
            'You are told at 80 %. A run that reaches a budget stops with what it has established.'
          )}
        </p>
        <div className="ak-Row">
          <button
            type="submit"
            className="ak-Button ak-mod-primary"
            disabled={amounts.includes(undefined)}
          >
            {trans.__('Keep')}
          </button>
          <button type="button" className="ak-Link" onClick={onClose}>
            {trans.__('Cancel')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Return the amount that a text means: `null` for none, `undefined` if it is no amount. */
function amountOf(text: string): number | null | undefined {
  if (text.trim() === '') {
    return null;
  }
  const amount = Number(text.replace(',', '.'));
  return Number.isFinite(amount) && amount > 0 ? amount : undefined;
}

function UsageTable(props: {
  readonly columns: readonly (readonly [string, Usage])[];
}): React.JSX.Element {
  const { trans } = useServices();
  const { columns } = props;
  const rows: readonly (readonly [string, (usage: Usage) => string])[] = [
    [trans.__('Fresh tokens'), u => count(u.input_tokens)],
    [trans.__('Cached tokens'), u => count(u.cached_tokens)],
    [trans.__('Written to the cache'), u => count(u.cache_write_tokens)],
    [trans.__('Tokens out'), u => count(u.output_tokens)],
    [trans.__('Calls'), u => count(u.calls)],
    [trans.__('Failed calls'), u => count(u.failed_calls)],
    [trans.__('Cost'), u => costText(u, trans)]
  ];
  return (
    <table className="ak-Table ak-UsageTable">
      <thead>
        <tr>
          <td />
          {columns.map(([name]) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([label, read]) => (
          <tr key={label}>
            <th scope="row">{label}</th>
            {columns.map(([name, usage]) => (
              <td key={name}>{read(usage)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The last line of the panel: the sandbox, the progress of the run, its usage. */
import * as React from 'react';
import { Dialog } from '../controls/dialog';
import { dollars, duration, tokens } from '../controls/format';
import { useNow, usePanel, useServices } from '../services';
import { activeRun, iterationsOf, tokensIn } from '../../session/progress';
import type { RunState } from '../../session/state';
import { PrivacyStatus } from '../privacy/privacy-status';
import { SandboxBadge } from './sandbox-badge';

export function StatusLine(): React.JSX.Element {
  const run = usePanel(model =>
    model.state === null ? null : (activeRun(model.state) ?? model.state.runs.at(-1) ?? null)
  );
  return (
    <div className="ak-Status">
      <SandboxBadge />
      <PrivacyStatus />
      {run !== null && run.status === 'running' && <Progress run={run} />}
      <UsageStatus run={run} />
    </div>
  );
}

function Progress({ run }: { readonly run: RunState }): React.JSX.Element {
  const { trans } = useServices();
  const now = useNow(true);
  const iteration = iterationsOf(run).length;
  const elapsed = duration(Math.max(1, Math.floor(now - run.startedAt)));
  return (
    <span>
      {iteration > 0
        ? trans.__('iteration %1 of %2 · %3', iteration, run.limits.iterations, elapsed)
        : elapsed}
    </span>
  );
}

/** Tokens and, if the price is known, the cost; a click sets the budget. */
function UsageStatus({ run }: { readonly run: RunState | null }): React.JSX.Element | null {
  const { trans } = useServices();
  const [budgeting, setBudgeting] = React.useState(false);
  const budget = usePanel(m =>
    m.analysis === null
      ? (m.choice.budget ?? m.defaults.budget)
      : (m.state?.budget ?? run?.limits.cost_usd ?? null)
  );
  const locked = usePanel(m => m.store.status?.locked.budget_usd !== undefined);
  const usage = run?.usage;
  const used = usage !== undefined && usage.calls > 0 && run?.isAi === true;
  const parts: string[] = [];
  if (used) {
    const all = tokensIn(run);
    if (run.status === 'running') {
      parts.push(trans.__('%1 tokens', tokens(all + usage.output_tokens)));
    } else {
      parts.push(
        trans.__('%1 in', tokens(all)),
        ...(usage.cached_tokens > 0 ? [trans.__('%1 cached', tokens(usage.cached_tokens))] : []),
        trans.__('%1 out', tokens(usage.output_tokens))
      );
    }
  }
  const cost = used ? usage.cost_usd : null;
  const spent =
    budget !== null
      ? trans.__('%1 of %2', dollars(cost ?? 0), dollars(budget))
      : cost !== null
        ? dollars(cost)
        : '';
  const text = [parts.join(', '), spent].filter(part => part !== '').join(' · ');
  return (
    <span className="ak-Usage" role="status" aria-label={trans.__('Usage')} aria-live="off">
      <button
        type="button"
        className="ak-Quiet ak-Usage-button"
        disabled={locked}
        title={trans.__('What the last question used. Click to limit what a question may cost.')}
        onClick={() => {
          setBudgeting(true);
        }}
      >
        {text === '' ? trans.__('No tokens used') : text}
      </button>
      {budgeting && (
        <BudgetDialog
          budget={budget}
          onClose={() => {
            setBudgeting(false);
          }}
        />
      )}
    </span>
  );
}

interface Props {
  readonly budget: number | null;
  readonly onClose: () => void;
}

export function BudgetDialog({ budget, onClose }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const [text, setText] = React.useState(budget === null ? '' : String(budget));
  const amount = Number(text.replace(',', '.'));
  const valid = text.trim() === '' || (Number.isFinite(amount) && amount > 0);
  return (
    <Dialog title={trans.__('Budget per question')} onClose={onClose}>
      <form
        className="ak-Stack"
        onSubmit={event => {
          event.preventDefault();
          void model.choose({ budget: text.trim() === '' ? null : amount });
          onClose();
        }}
      >
        <label className="ak-Field">
          {trans.__('US dollars; empty for no limit')}
          <input
            className="ak-Input"
            inputMode="decimal"
            value={text}
            autoFocus
            aria-invalid={!valid}
            onChange={event => {
              setText(event.target.value);
            }}
          />
        </label>
        <p className="ak-Quiet">
          {trans.__('A run that reaches it stops and answers with what it has.')}
        </p>
        <div className="ak-Row">
          <button type="submit" className="ak-Button ak-mod-primary" disabled={!valid}>
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

/** The last line of the panel: the sandbox, the progress of the run, what was used. */
import * as React from 'react';
import { duration } from '../controls/format';
import { useNow, usePanel, useServices } from '../services';
import { activeRun, iterationsOf } from '../../session/progress';
import type { RunState } from '../../session/state';
import { PrivacyStatus } from '../privacy/privacy-status';
import { SandboxBadge } from './sandbox-badge';
import { UsageStatus } from './usage-status';

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

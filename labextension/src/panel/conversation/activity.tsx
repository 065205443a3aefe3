/** One quiet line about what is going on, while nothing else shows it. */
import * as React from 'react';
import { iterationsOf, underRepair, waitingFor } from '../../session/progress';
import type { AnalysisState, CallState, RunState } from '../../session/state';
import { usePanel, useServices } from '../services';

/** The line; empty if a card shows the activity already. */
export const Activity = React.memo(function Activity({
  run
}: {
  readonly run: RunState;
}): React.JSX.Element | null {
  const { trans } = useServices();
  const kernel = usePanel(model => model.state?.kernel.state ?? 'none');
  const sentence = activityOf(run, kernel, {
    kernel: trans.__('Starting the sandboxed kernel …'),
    data: trans.__('Reading the data …'),
    model: trans.__('Asking the model …'),
    plan: trans.__('Making a plan …'),
    profile: trans.__('Looking at the data …'),
    finding: trans.__('Writing down a finding …'),
    checking: trans.__('Checking the numbers …'),
    repair: trans.__('Looking for a repair …')
  });
  return sentence === null ? null : (
    <div className="ak-Activity">
      <span className="ak-Pulse" aria-hidden="true" />
      {sentence}
    </div>
  );
});

type Sentences = Readonly<
  Record<
    'kernel' | 'data' | 'model' | 'plan' | 'profile' | 'finding' | 'checking' | 'repair',
    string
  >
>;

function activityOf(
  run: RunState,
  kernel: AnalysisState['kernel']['state'],
  sentences: Sentences
): string | null {
  if (run.status !== 'running' || run.retry !== null || waitingFor(run) !== null) {
    return null;
  }
  if (kernel === 'starting') {
    return sentences.kernel;
  }
  if (iterationsOf(run).some(cell => cell.outcome === 'running')) {
    return null;
  }
  const call = run.entries.filter((entry): entry is CallState => entry.kind === 'call').at(-1);
  if (call === undefined) {
    return sentences.data;
  }
  switch (call.tools.at(-1)?.name) {
    case 'update_plan':
      return sentences.plan;
    case 'profile_dataset':
      return sentences.profile;
    case 'record_finding':
      return sentences.finding;
    case 'run_python':
    case 'run_sql':
      return null;
    case 'finish':
      return call.replied ? sentences.checking : null;
    default:
      break;
  }
  if (!call.replied && call.text !== '') {
    return null;
  }
  return underRepair(run) === null ? sentences.model : sentences.repair;
}

/** The plan as a checklist, with the current step. */
import * as React from 'react';
import type { Step } from '../protocol/generated';
import { currentStep } from '../session/progress';
import type { RunState } from '../session/state';
import { useServices } from './services';
import { Ticked } from './ticked';

const MARKS: Readonly<Record<Step['status'], string>> = {
  todo: '○',
  doing: '●',
  done: '✓',
  blocked: '✕'
};

/** The steps of a run; nothing where there is no plan yet. */
export const PlanList = React.memo(function PlanList({
  run
}: {
  readonly run: RunState;
}): React.JSX.Element | null {
  const { trans } = useServices();
  if (run.plan.length === 0) {
    return null;
  }
  const names: Readonly<Record<Step['status'], string>> = {
    todo: trans.__('to do'),
    doing: trans.__('being done'),
    done: trans.__('done'),
    blocked: trans.__('not possible')
  };
  return (
    <div className="ak-Plan">
      <div className="ak-Quiet">
        {run.status === 'running'
          ? trans.__('Plan, step %1 of %2', Math.max(1, currentStep(run)), run.plan.length)
          : trans.__('Plan')}
      </div>
      <ul aria-label={trans.__('Plan')}>
        {run.plan.map(step => (
          <li
            key={step.number}
            className={`ak-mod-${step.status}`}
            aria-current={step.status === 'doing' ? 'step' : undefined}
          >
            <span className="ak-Mark" aria-hidden="true">
              {MARKS[step.status]}
            </span>
            <span>
              <Ticked text={step.goal} />
              <span className="ak-Hidden"> ({names[step.status]})</span>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
});

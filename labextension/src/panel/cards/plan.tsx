/** The plan of a run: as a card while it waits for approval, then as a checklist. */
import { closeIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { CodeText } from '../controls/code-text';
import type { Step } from '../../protocol/generated';
import { useServices } from '../services';
import { currentStep } from '../../session/progress';
import type { PlanApprovalState, RunState } from '../../session/state';

/** A plan has at most this many goals. */
const MOST = 7;

interface Props {
  readonly approval: PlanApprovalState;
  readonly active: boolean;
}

interface Goal {
  readonly id: number;
  readonly text: string;
}

/** The card, in which goals can be edited, moved, added and removed; empty once it is approved. */
export const PlanCard = React.memo(function PlanCard(props: Props): React.JSX.Element | null {
  const { approval, active } = props;
  const { trans, model } = useServices();
  const [goals, setGoals] = React.useState<readonly Goal[]>(() =>
    approval.steps.map(step => ({ id: step.number, text: step.goal }))
  );
  const [sent, setSent] = React.useState(false);
  const title = React.useId();
  if (approval.approved || !active) {
    return null;
  }
  const texts = goals.map(goal => goal.text.trim()).filter(text => text !== '');
  const move = (index: number, by: number): void => {
    const next = [...goals];
    const [goal] = next.splice(index, 1);
    if (goal !== undefined) {
      next.splice(index + by, 0, goal);
      setGoals(next);
    }
  };
  const accept = (): void => {
    setSent(true);
    void model.send({ type: 'decide_plan', ask: approval.ask, goals: texts }).then(setSent);
  };
  return (
    <div className="ak-Card ak-mod-attention" role="group" aria-labelledby={title}>
      <b id={title}>{trans.__('Is this the plan?')}</b>
      <ol className="ak-Goals" aria-label={trans.__('Plan')}>
        {goals.map((goal, index) => (
          <li key={goal.id}>
            <input
              className="ak-Input"
              aria-label={trans.__('Step %1', index + 1)}
              value={goal.text}
              disabled={sent}
              onChange={event => {
                const text = event.target.value;
                setGoals(goals.map(other => (other === goal ? { ...other, text } : other)));
              }}
            />
            <IconButton
              label={trans.__('Move step %1 up', index + 1)}
              sign="↑"
              disabled={index === 0}
              run={() => {
                move(index, -1);
              }}
            />
            <IconButton
              label={trans.__('Move step %1 down', index + 1)}
              sign="↓"
              disabled={index === goals.length - 1}
              run={() => {
                move(index, 1);
              }}
            />
            <IconButton
              label={trans.__('Remove step %1', index + 1)}
              sign={<closeIcon.react tag="span" className="ak-Icon" />}
              disabled={goals.length === 1}
              run={() => {
                setGoals(goals.filter(other => other !== goal));
              }}
            />
          </li>
        ))}
      </ol>
      <div className="ak-Row">
        <button
          type="button"
          className="ak-Button ak-mod-outline"
          disabled={sent || texts.length === 0}
          onClick={accept}
        >
          {trans.__('Start')}
        </button>
        <button
          type="button"
          className="ak-Link"
          disabled={sent || goals.length >= MOST}
          onClick={() => {
            setGoals([...goals, { id: Math.max(0, ...goals.map(g => g.id)) + 1, text: '' }]);
          }}
        >
          {trans.__('Add a step')}
        </button>
      </div>
    </div>
  );
});

function IconButton(props: {
  readonly label: string;
  readonly sign: React.ReactNode;
  readonly disabled: boolean;
  readonly run: () => void;
}): React.JSX.Element {
  return (
    <button
      type="button"
      className="ak-IconButton"
      aria-label={props.label}
      title={props.label}
      disabled={props.disabled}
      onClick={props.run}
    >
      {props.sign}
    </button>
  );
}

const MARKS: Readonly<Record<Step['status'], string>> = {
  todo: '○',
  doing: '●',
  done: '✓',
  blocked: '✕',
  failed: '✕',
  skipped: '–'
};

/** What the mark alone says; the others stand in words. */
const ENDED_WELL: ReadonlySet<Step['status']> = new Set(['todo', 'doing', 'done']);

/** The steps of a run with the current step; empty without a plan. */
export const PlanList = React.memo(function PlanList({
  run
}: {
  readonly run: RunState;
}): React.JSX.Element | null {
  const { trans, model } = useServices();
  if (run.plan.length === 0) {
    return null;
  }
  const names: Readonly<Record<Step['status'], string>> = {
    todo: trans.__('to do'),
    doing: trans.__('being done'),
    done: trans.__('done'),
    blocked: trans.__('not possible'),
    failed: trans.__('failed'),
    skipped: trans.__('no cell ran for it')
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
              <CodeText text={step.goal} />
              <span className={ENDED_WELL.has(step.status) ? 'ak-Hidden' : 'ak-Quiet'}>
                {' '}
                ({names[step.status]})
              </span>
              {step.cells.map(({ number, cell }) => (
                <React.Fragment key={cell}>
                  {' '}
                  <button
                    type="button"
                    className="ak-Link"
                    title={trans.__('Show the cell')}
                    onClick={() => {
                      model.reveal(cell);
                    }}
                  >
                    {trans.__('cell %1', number)}
                  </button>
                </React.Fragment>
              ))}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
});

/** A cell that waits for approval: run it, edit it first, skip it, or run all. */
import * as React from 'react';
import type { DecideApproval } from '../../protocol/generated';
import type { ApprovalState } from '../../session/state';
import { CodeBlock } from '../controls/code-block';
import { useServices } from '../services';

interface Props {
  readonly approval: ApprovalState;
  readonly active: boolean;
}

/** The card; empty once it is decided, because the cell is then shown itself. */
export const ApprovalCard = React.memo(function ApprovalCard(
  props: Props
): React.JSX.Element | null {
  const { approval, active } = props;
  const { trans, model } = useServices();
  const [edited, setEdited] = React.useState<string | null>(null);
  const [sent, setSent] = React.useState(false);
  const title = React.useId();

  if (approval.decision !== null || !active) {
    return approval.decision === 'skip' ? (
      <div className="ak-Decided">
        <span className="ak-Quiet">{trans.__('You skipped:')}</span> {approval.purpose}
      </div>
    ) : null;
  }
  const decide = (decision: DecideApproval['decision'], code?: string): void => {
    setSent(true);
    void model
      .send({
        type: 'decide_approval',
        ask: approval.ask,
        decision,
        ...(code === undefined ? {} : { code })
      })
      .then(setSent);
  };
  const link = (label: string, run: () => void): React.JSX.Element => (
    <button type="button" className="ak-Link" disabled={sent} onClick={run}>
      {label}
    </button>
  );
  return (
    <div className="ak-Card ak-mod-attention" role="group" aria-labelledby={title}>
      <b id={title}>{trans.__('Run this cell?')}</b>
      {approval.purpose !== '' && <span className="ak-Quiet">{approval.purpose}</span>}
      {edited === null ? (
        <CodeBlock code={approval.code} language="python" label={trans.__('Code that waits')} />
      ) : (
        <textarea
          className="ak-CodeInput"
          aria-label={trans.__('Code to run instead')}
          value={edited}
          rows={Math.min(18, edited.split('\n').length + 1)}
          spellCheck={false}
          autoFocus
          onChange={event => {
            setEdited(event.target.value);
          }}
          onKeyDown={event => {
            event.stopPropagation();
          }}
        />
      )}
      <div className="ak-Row">
        <button
          type="button"
          className="ak-Button ak-mod-outline"
          disabled={sent || edited?.trim() === ''}
          onClick={() => {
            if (edited !== null && edited !== approval.code) {
              decide('edit', edited);
            } else {
              decide('run');
            }
          }}
        >
          {edited === null ? trans.__('Run') : trans.__('Run edited code')}
        </button>
        {edited === null
          ? link(trans.__('Edit'), () => {
              setEdited(approval.code);
            })
          : link(trans.__('Cancel edit'), () => {
              setEdited(null);
            })}
        {link(trans.__('Skip'), () => {
          decide('skip');
        })}
        {link(trans.__('Run all in this analysis'), () => {
          decide('run_all');
        })}
      </div>
    </div>
  );
});

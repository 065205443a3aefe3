/** What the model is streaming: thinking, prose, code that is not a cell yet. */
import * as React from 'react';
import { codeOf, textFields } from '../../session/streamed-code';
import { underRepair } from '../../session/progress';
import type { CallState, RunState, StreamedTool } from '../../session/state';
import { CodeBlock } from '../controls/code-block';
import { RepairNote } from '../cards/repair-note';
import { useServices } from '../services';

interface Props {
  readonly call: CallState;
  readonly run: RunState;
}

export const CallView = React.memo(function CallView({ call, run }: Props): React.JSX.Element {
  const { trans } = useServices();
  const answers = run.status !== 'running' && run.answer.trim() === call.text.trim();
  return (
    <>
      {call.thinking !== '' && (
        <details className="ak-Thinking">
          <summary>{call.replied ? trans.__('Thinking') : trans.__('Thinking …')}</summary>
          <p>{call.thinking}</p>
        </details>
      )}
      {call.text !== '' && !answers && (
        <p className="ak-Prose" aria-busy={!call.replied}>
          {call.text}
        </p>
      )}
      {call.tools.map(tool => (
        <StreamedToolView key={tool.id} tool={tool} run={run} done={call.replied} />
      ))}
    </>
  );
});

function StreamedToolView(props: {
  readonly tool: StreamedTool;
  readonly run: RunState;
  readonly done: boolean;
}): React.JSX.Element | null {
  const { tool, run, done } = props;
  const { trans } = useServices();
  if (tool.name === 'finish') {
    const answer = textFields(tool.input).get('answer') ?? '';
    return answer === '' ? null : (
      <div className="ak-Answer ak-mod-draft" aria-live="off" aria-busy="true">
        <p>{answer}</p>
      </div>
    );
  }
  const code = codeOf(tool);
  if (code === null) {
    return null;
  }
  const before = underRepair(run);
  return (
    <article className="ak-Iteration ak-mod-streaming" aria-label={trans.__('Code being written')}>
      <div className="ak-Iteration-head">
        <span className="ak-Iteration-toggle">
          <span className={`ak-Mark ${before === null ? 'ak-mod-running' : 'ak-mod-repair'}`}>
            {before === null ? '●' : '↻'}
          </span>
          <span className="ak-Iteration-title">
            {titleOf(code.purpose, before?.purpose) || trans.__('Writing code')}
          </span>
        </span>
        <span className="ak-Iteration-side">
          {before !== null && trans.__('repair %1 of %2', before.attempt, run.limits.repairs)}
        </span>
      </div>
      {before !== null && <RepairNote before={before} />}
      {code.text !== '' && (
        <CodeBlock code={code.text} language={code.language} streaming={!done} />
      )}
    </article>
  );
}

/** Return the purpose; while it is streamed, that of the repaired cell if both begin alike. */
function titleOf(purpose: string, before: string | undefined): string {
  return before?.startsWith(purpose) === true ? before : purpose;
}

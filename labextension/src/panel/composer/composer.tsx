/** The question box with its completion, history, queue, pickers, and the buttons Ask and Stop. */
import { caretDownIcon, closeIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { approvalName } from '../controls/format';
import { Menu } from '../controls/menu';
import { usePanel, useServices } from '../services';
import { activeRun } from '../../session/progress';
import { CompletionList, useCompletion } from './completion';
import { ModelMenu } from './model-menu';

export function Composer(): React.JSX.Element {
  const { trans, model } = useServices();
  const draft = usePanel(m => m.draft);
  const running = usePanel(
    m =>
      (m.state !== null && activeRun(m.state) !== null) ||
      m.summary?.state === 'running' ||
      m.summary?.state === 'waiting' ||
      m.pending.some(pending => pending.fault === null)
  );
  const focusCount = usePanel(m => m.focusCount);
  const box = React.useRef<HTMLTextAreaElement>(null);
  const [stopping, setStopping] = React.useState(false);
  const recall = useQuestionHistory();
  const completion = useCompletion(box);
  const listId = React.useId();

  React.useEffect(() => {
    if (focusCount > 0) {
      box.current?.focus();
    }
  }, [focusCount]);
  React.useEffect(() => {
    if (!running) {
      setStopping(false);
    }
  }, [running]);
  React.useLayoutEffect(() => {
    const element = box.current;
    if (element !== null) {
      // The box grows with its text, up to the height in the style sheet.
      element.style.height = 'auto';
      element.style.height = `${String(element.scrollHeight + 2)}px`;
    }
  }, [draft]);

  const ask = (): void => {
    recall.reset();
    void model.ask(draft);
  };
  const stop = (): void => {
    setStopping(true);
    void model.send({ type: 'cancel_run' }).then(setStopping);
  };
  const onKeyDown = (event: React.KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing || completion.onKeyDown(event)) {
      return;
    }
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      ask();
    } else if (event.key === 'Escape' && running && draft === '') {
      event.preventDefault();
      stop();
    } else {
      recall.onKeyDown(event);
    }
  };
  const open = completion.items.length > 0;
  return (
    <footer className="ak-Composer">
      <Queue />
      {open && <CompletionList id={listId} completion={completion} />}
      <textarea
        ref={box}
        className="ak-Box"
        aria-label={trans.__('Question')}
        aria-autocomplete="list"
        aria-controls={open ? listId : undefined}
        aria-activedescendant={open ? `${listId}-${String(completion.index)}` : undefined}
        placeholder={
          running ? trans.__('Ask something else: it waits its turn') : trans.__('Question')
        }
        rows={2}
        value={draft}
        onChange={event => {
          recall.reset();
          model.draft = event.target.value;
          completion.update(event.target);
        }}
        onSelect={event => {
          completion.update(event.currentTarget);
        }}
        onBlur={completion.close}
        onKeyDown={onKeyDown}
      />
      <div className="ak-Composer-bar">
        <span className="ak-Composer-pickers">
          <ModelMenu />
          <ApprovalMenu />
        </span>
        <span className="ak-Composer-buttons">
          {running && (
            <button
              type="button"
              className="ak-Button ak-mod-stop"
              disabled={stopping}
              title={trans.__('Stop and interrupt the kernel (Esc)')}
              onClick={stop}
            >
              {stopping ? trans.__('Stopping …') : trans.__('Stop')}
            </button>
          )}
          {(!running || draft.trim() !== '') && (
            <button
              type="button"
              className="ak-Button ak-mod-primary"
              disabled={draft.trim() === ''}
              onClick={ask}
            >
              {trans.__('Ask')}
            </button>
          )}
        </span>
      </div>
    </footer>
  );
}

/** The picker of what waits for approval. */
function ApprovalMenu(): React.JSX.Element {
  const { trans, model } = useServices();
  const mode = usePanel(m =>
    m.analysis === null
      ? (m.choice.approval ?? m.defaults.approval ?? 'automatic')
      : (m.state?.approval ?? 'automatic')
  );
  const locked = usePanel(m => m.store.status?.locked.approval !== undefined);
  const details = {
    automatic: trans.__('Cells run as they are written'),
    cells: trans.__('Each cell waits for your leave'),
    plan: trans.__('You edit the plan, then it runs')
  } as const;
  return (
    <Menu
      label={trans.__('Approval: %1', approvalName(mode, trans))}
      title={locked ? trans.__('Your administrator fixed this.') : trans.__('What waits for you')}
      className="ak-Picker"
      place="above"
      disabled={locked}
      items={(['automatic', 'cells', 'plan'] as const).map(one => ({
        label: approvalName(one, trans),
        detail: details[one],
        checked: one === mode,
        run: () => void model.choose({ approval: one })
      }))}
    >
      <span className="ak-Picker-name">{approvalName(mode, trans)}</span>
      <caretDownIcon.react tag="span" className="ak-Icon" />
    </Menu>
  );
}

/** Return handlers that recall earlier questions by arrow keys on the first and last line. */
function useQuestionHistory(): {
  onKeyDown: (event: React.KeyboardEvent<HTMLTextAreaElement>) => void;
  reset: () => void;
} {
  const { model } = useServices();
  const place = React.useRef<{ index: number; kept: string } | null>(null);
  const onKeyDown = (event: React.KeyboardEvent<HTMLTextAreaElement>): void => {
    const { value, selectionStart, selectionEnd } = event.currentTarget;
    if (selectionStart !== selectionEnd || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const { history } = model;
    const current = place.current ?? { index: history.length, kept: value };
    const onFirst = !value.slice(0, selectionStart).includes('\n');
    const onLast = !value.slice(selectionStart).includes('\n');
    const step =
      event.key === 'ArrowUp' && onFirst ? -1 : event.key === 'ArrowDown' && onLast ? 1 : 0;
    const index = current.index + step;
    if (step === 0 || index < 0 || index > history.length) {
      return;
    }
    event.preventDefault();
    place.current = { index, kept: current.kept };
    model.draft = history[index] ?? current.kept;
  };
  return {
    onKeyDown,
    reset: () => {
      place.current = null;
    }
  };
}

const NONE: readonly string[] = [];

/** The waiting questions, above the question box. */
export function Queue(): React.JSX.Element | null {
  const { trans, model } = useServices();
  const waiting = usePanel(m => m.state?.queue ?? NONE);
  if (waiting.length === 0) {
    return null;
  }
  return (
    <ol className="ak-Queue" aria-label={trans.__('Waiting questions')}>
      {waiting.map((question, position) => (
        <li key={`${String(position)}-${question}`}>
          <span className="ak-Quiet">{trans.__('Next:')}</span>
          <span className="ak-Queue-text" title={question}>
            {question}
          </span>
          <button
            type="button"
            className="ak-IconButton"
            aria-label={trans.__('Remove waiting question: %1', question)}
            title={trans.__('Remove')}
            onClick={() => void model.send({ type: 'unqueue_question', position })}
          >
            <closeIcon.react tag="span" className="ak-Icon" />
          </button>
        </li>
      ))}
    </ol>
  );
}

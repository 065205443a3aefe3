/** Questions that wait their turn, and those that the server did not take. */
import * as React from 'react';
import { usePanel, useServices } from './services';

const NONE: readonly string[] = [];

/** The lines above the question box. */
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
            ✕
          </button>
        </li>
      ))}
    </ol>
  );
}

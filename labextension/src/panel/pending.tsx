/** A question that was sent just now, or that the server did not take. */
import * as React from 'react';
import type { PendingQuestion } from '../session/panel-model';
import { QuestionText } from './question-text';
import { useServices } from './services';

/** The question at once, before the server has answered. */
export const Pending = React.memo(function Pending({
  pending
}: {
  readonly pending: PendingQuestion;
}): React.JSX.Element {
  const { trans, model } = useServices();
  const { fault, question, id, data } = pending;
  const files = data.map(path => path.split('/').at(-1) ?? path).join(', ');
  return (
    <section className="ak-Run" aria-label={question}>
      <div className="ak-Question">
        <QuestionText text={question} />
      </div>
      {fault === null ? (
        <div className="ak-Activity">
          <span className="ak-Pulse" aria-hidden="true" />
          {files === '' ? trans.__('Starting …') : trans.__('Reading %1 …', files)}
        </div>
      ) : (
        <div className="ak-Failure" role="alert">
          <b>{trans.__('Your question was not taken.')}</b>
          <div>
            {fault.message} {fault.remedy}
          </div>
          <div className="ak-Row">
            <button
              type="button"
              className="ak-Link"
              onClick={() => {
                model.discard(id);
                model.draft = '';
                void model.ask(question, data);
              }}
            >
              {trans.__('Try again')}
            </button>
            <button
              type="button"
              className="ak-Link"
              onClick={() => {
                model.discard(id);
              }}
            >
              {trans.__('Edit')}
            </button>
          </div>
        </div>
      )}
    </section>
  );
});

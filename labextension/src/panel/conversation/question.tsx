/** A question as it was asked, also before the server has accepted it. */
import * as React from 'react';
import { CodeBlock } from '../controls/code-block';
import { useServices } from '../services';
import type { PendingQuestion } from '../../session/panel-model';

/** The text; fenced code is shown as code. */
export const QuestionText = React.memo(function QuestionText({
  text
}: {
  readonly text: string;
}): React.JSX.Element {
  return (
    <>
      {questionParts(text).map((part, index) =>
        part.code ? (
          <CodeBlock key={index} code={part.text} language="python" />
        ) : (
          <span key={index}>{part.text}</span>
        )
      )}
    </>
  );
});

/** Split a question at its fences of backticks. */
export function questionParts(text: string): readonly { code: boolean; text: string }[] {
  const parts: { code: boolean; text: string }[] = [];
  let end = 0;
  for (const match of text.matchAll(/(^|\n)(`{3,})[^\n`]*\n([\s\S]*?)\n?\2(?=\n|$)/g)) {
    const before = text.slice(end, match.index).trim();
    if (before !== '') {
      parts.push({ code: false, text: before });
    }
    parts.push({ code: true, text: match[3] ?? '' });
    end = match.index + match[0].length;
  }
  const rest = text.slice(end).trim();
  if (rest !== '') {
    parts.push({ code: false, text: rest });
  }
  return parts;
}

/** A question that was just sent, or that the server did not accept. */
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
          <b>{trans.__('Your question was not accepted.')}</b>
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

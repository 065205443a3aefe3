/** A question of the run to the user: options, one of them the default, or a free answer. */
import * as React from 'react';
import type { AskState } from '../../session/state';
import { useServices } from '../services';

interface Props {
  readonly ask: AskState;
  readonly active: boolean;
}

/** The card; one line once it is answered. */
export const AskCard = React.memo(function AskCard({ ask, active }: Props): React.JSX.Element {
  const { trans, model } = useServices();
  const [sent, setSent] = React.useState(false);
  const [own, setOwn] = React.useState('');
  const title = React.useId();

  const answer = (text: string): void => {
    setSent(true);
    void model.send({ type: 'answer_question', ask: ask.ask, answer: text }).then(taken => {
      setSent(taken);
    });
  };

  if (ask.answer !== null || !active) {
    return (
      <div className="ak-Decided">
        <span className="ak-Quiet">{ask.question}</span>{' '}
        <b>{ask.answer ?? trans.__('Not answered.')}</b>
        {ask.by === 'default' && <span className="ak-Quiet"> {trans.__('(default)')}</span>}
      </div>
    );
  }
  return (
    <div className="ak-Card ak-mod-attention" role="group" aria-labelledby={title}>
      <b id={title}>{ask.question}</b>
      <div className="ak-Options">
        {ask.options.map(option => (
          <button
            key={option}
            type="button"
            className={`ak-Option${option === ask.default ? ' ak-mod-default' : ''}`}
            disabled={sent}
            onClick={() => {
              answer(option);
            }}
          >
            {option}
            {option === ask.default && <small>{trans.__('default')}</small>}
          </button>
        ))}
      </div>
      <form
        className="ak-Row"
        onSubmit={event => {
          event.preventDefault();
          if (own.trim() !== '') {
            answer(own.trim());
          }
        }}
      >
        <input
          className="ak-Input"
          aria-label={trans.__('Another answer')}
          placeholder={trans.__('Another answer')}
          value={own}
          disabled={sent}
          onChange={event => {
            setOwn(event.target.value);
          }}
        />
        <button type="submit" className="ak-Button" disabled={sent || own.trim() === ''}>
          {trans.__('Answer')}
        </button>
      </form>
      <div className="ak-Quiet">
        {trans.__('The run waits. Nothing is lost if you close this.')}
      </div>
    </div>
  );
});

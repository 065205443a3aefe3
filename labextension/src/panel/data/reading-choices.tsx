/** How a dataset is read: what was assumed, and what the user may have read otherwise. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Dataset, ReadingChoice } from '../../protocol/generated';
import { useServices } from '../services';

export function ReadingChoices({ dataset }: { readonly dataset: Dataset }): React.JSX.Element {
  const { trans, model } = useServices();
  const [busy, setBusy] = React.useState(false);
  const [refused, setRefused] = React.useState('');
  // Journals of earlier versions name no choices.
  const choices = (dataset.choices as readonly ReadingChoice[] | undefined) ?? [];
  const choose = async (key: string, value: string): Promise<void> => {
    setBusy(true);
    setRefused('');
    const done = await model.send({ type: 'choose_reading', name: dataset.name, key, value });
    setBusy(false);
    if (!done) {
      const { message = trans.__('That was not possible.'), remedy = '' } = model.fault ?? {};
      setRefused(`${message} ${remedy}`.trim());
      model.report(null); // it is said here, where the user looks
    }
  };
  if (choices.length === 0) {
    return <></>;
  }
  return (
    <section className="ak-Reading" aria-label={trans.__('How it is read')}>
      <h3>{trans.__('How it is read')}</h3>
      <p className="ak-Quiet">
        {trans.__('Change what is wrong. The data is then read again, and earlier answers say so.')}
      </p>
      <div role="status">
        {busy && <span className="ak-Quiet">{trans.__('Reading again…')}</span>}
        {refused !== '' && <div className="ak-Notice ak-mod-warning">{refused}</div>}
      </div>
      <ul>
        {choices.map(choice => (
          <li key={choice.key}>
            <Sentence choice={choice} />
            {choice.value !== '' && (
              <Chooser
                key={`${choice.key}=${choice.value}`}
                choice={choice}
                busy={busy}
                onChoose={value => void choose(choice.key, value)}
              />
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sentence({ choice }: { readonly choice: ReadingChoice }): React.JSX.Element {
  const { trans } = useServices();
  return (
    <span className="ak-Reading-text">
      {choice.by_user && <b>{trans.__('You said:')} </b>}
      {choice.column !== null && (
        <>
          <b>{choice.column}</b>:{' '}
        </>
      )}
      {choice.sentence === '' ? nameOf(choice, trans) : choice.sentence}
    </span>
  );
}

interface ChooserProps {
  readonly choice: ReadingChoice;
  readonly busy: boolean;
  readonly onChoose: (value: string) => void;
}

/**
 * A list where the values are known; a field where any text may be tried.
 *
 * What was found may be chosen too: then the user said so.
 */
function Chooser({ choice, busy, onChoose }: ChooserProps): React.JSX.Element {
  const { trans } = useServices();
  const [text, setText] = React.useState(choice.value);
  const label = labelOf(choice, trans);
  const kind = choice.key.split('.', 1)[0];
  const isFree = choice.values.length === 0;
  return (
    <span className="ak-Reading-change">
      {isFree ? (
        <form
          className="ak-Row"
          onSubmit={event => {
            event.preventDefault();
            if (text.trim() !== '' && text !== choice.value) {
              onChoose(text.trim());
            }
          }}
        >
          <input
            className="ak-Input"
            type="text"
            spellCheck={false}
            autoComplete="off"
            aria-label={label}
            value={text}
            disabled={busy}
            onChange={event => {
              setText(event.target.value);
            }}
          />
          <button
            type="submit"
            className="ak-Button"
            disabled={busy || text.trim() === '' || text === choice.value}
          >
            {trans.__('Read so')}
          </button>
        </form>
      ) : (
        <select
          className="ak-Input"
          aria-label={label}
          value={choice.by_user ? choice.value : ''}
          disabled={busy}
          onChange={event => {
            onChoose(event.target.value);
          }}
        >
          <option value="">
            {choice.by_user
              ? trans.__('As found')
              : trans.__('As found: %1', valueName(kind ?? '', choice.value, trans))}
          </option>
          {[...new Set([...choice.values, choice.value])].map(value => (
            <option key={value} value={value}>
              {valueName(kind ?? '', value, trans)}
            </option>
          ))}
        </select>
      )}
      {isFree && choice.by_user && (
        <button
          type="button"
          className="ak-Button"
          disabled={busy}
          onClick={() => {
            onChoose('');
          }}
        >
          {trans.__('As found')}
        </button>
      )}
    </span>
  );
}

/** Return what a control changes, for those who do not see the sentence beside it. */
function labelOf(choice: ReadingChoice, trans: TranslationBundle): string {
  const name = nameOf(choice, trans);
  return choice.column === null ? name : `${name}: ${choice.column}`;
}

function nameOf(choice: ReadingChoice, trans: TranslationBundle): string {
  const [kind, about] = [choice.key.split('.', 1)[0], choice.key.replace(/^[^.]*\.?/, '')];
  switch (kind) {
    case 'header':
      return trans.__('Row with the names of the columns');
    case 'encoding':
      return trans.__('Encoding of the text');
    case 'decimal':
      return trans.__('Decimal mark');
    case 'dates':
      return trans.__('Order of day and month');
    case 'gap':
      return trans.__('Value that stands for a missing one');
    case 'word':
      return trans.__('What %1 means', about);
    case 'rows':
      return trans.__('Rows that look like no part of the table (%1)', about);
    case 'hidden-sheets':
      return trans.__('Hidden sheets');
    case 'labels':
      return trans.__('Labels of the codes');
    default:
      return choice.key;
  }
}

function valueName(kind: string, value: string, trans: TranslationBundle): string {
  const names: Record<string, string> = {
    'dates day': trans.__('Day first'),
    'dates month': trans.__('Month first'),
    'dates text': trans.__('Left as text'),
    'rows keep': trans.__('Keep these rows'),
    'rows leave-out': trans.__('Leave them out'),
    'word value': trans.__('A value'),
    'word gap': trans.__('A missing value'),
    'gap none': trans.__('All are values'),
    'hidden-sheets load': trans.__('Load them too'),
    'hidden-sheets leave-out': trans.__('Leave them out'),
    'labels labels': trans.__('Labels'),
    'labels codes': trans.__('Codes'),
    'decimal .': trans.__('Point (1.5)'),
    'decimal ,': trans.__('Comma (1,5)')
  };
  return names[`${kind} ${value}`] ?? value;
}

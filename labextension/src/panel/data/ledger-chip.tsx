/** What later questions build on: a chip beside the datasets, and the list that it opens. */
import * as React from 'react';
import type { DataState, Definition } from '../../protocol/generated';
import { Dialog } from '../controls/dialog';
import { count } from '../controls/format';
import { usePanel, useServices } from '../services';

const NO_DEFINITIONS: readonly Definition[] = [];
const NO_STATES: readonly DataState[] = [];
const LONGEST = 500;

/** The chip; nothing before there is anything to list. */
export function LedgerChip(): React.JSX.Element | null {
  const { trans } = useServices();
  const definitions = usePanel(model => model.state?.definitions ?? NO_DEFINITIONS);
  const states = usePanel(model => model.state?.states ?? NO_STATES);
  const [open, setOpen] = React.useState(false);
  const empty = definitions.length === 0 && states.length === 0;
  if (empty && !open) {
    return null;
  }
  const held = definitions.filter(holds).length;
  const label = [
    trans._n('%1 definition', '%1 definitions', held),
    states.length > 0 ? trans._n('%1 state', '%1 states', states.length) : ''
  ];
  return (
    <>
      <button
        type="button"
        className="ak-Chip ak-Ledger-chip"
        aria-haspopup="dialog"
        title={definitions
          .filter(holds)
          .map(({ text }) => text)
          .join('\n')}
        onClick={() => {
          setOpen(true);
        }}
      >
        <span className="ak-Chip-name">{label.filter(part => part !== '').join(', ')}</span>
      </button>
      {open && (
        <LedgerDialog
          definitions={definitions}
          states={states}
          onClose={() => {
            setOpen(false);
          }}
        />
      )}
    </>
  );
}

function LedgerDialog(props: {
  readonly definitions: readonly Definition[];
  readonly states: readonly DataState[];
  readonly onClose: () => void;
}): React.JSX.Element {
  const { definitions, states, onClose } = props;
  const { trans, model } = useServices();
  const [added, setAdded] = React.useState('');
  const title = React.useId();
  return (
    <Dialog title={trans.__('Definitions')} size="wide" onClose={onClose}>
      <p className="ak-Quiet">
        {trans.__(
          'They hold for every later question. Answers that rest on one name it. A change holds from the next question on.'
        )}
      </p>
      <ul className="ak-Ledger" aria-label={trans.__('Definitions')}>
        {definitions.map(definition => (
          <DefinitionItem key={`${definition.id} ${definition.text}`} definition={definition} />
        ))}
      </ul>
      <form
        className="ak-Row"
        onSubmit={event => {
          event.preventDefault();
          const text = added.trim();
          if (text !== '') {
            void model.send({ type: 'add_definition', text }).then(taken => {
              setAdded(before => (taken && before.trim() === text ? '' : before));
            });
          }
        }}
      >
        <input
          className="ak-Input"
          aria-label={trans.__('New definition')}
          placeholder={trans.__('Revenue means net of returns')}
          maxLength={LONGEST}
          value={added}
          onChange={event => {
            setAdded(event.target.value);
          }}
        />
        <button type="submit" className="ak-Button" disabled={added.trim() === ''}>
          {trans.__('Add')}
        </button>
      </form>
      {states.length > 0 && (
        <>
          <h3 id={title}>{trans.__('Named states')}</h3>
          <ul className="ak-Ledger" aria-labelledby={title}>
            {states.map(state => (
              <li key={state.name}>
                <b>{state.name}</b>: {state.definition}
                <div className="ak-Quiet">
                  {[
                    state.rows === null ? '' : trans.__('%1 rows', count(state.rows)),
                    state.named === null ? '' : trans.__('question %1', state.named.slice(1)),
                    state.variable
                  ]
                    .filter(part => part !== '')
                    .join(' · ')}
                </div>
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  );
}

/** One definition: whether it holds, its text, where it comes from, and what can be done with it. */
function DefinitionItem({ definition }: { readonly definition: Definition }): React.JSX.Element {
  const { trans, model } = useServices();
  const [draft, setDraft] = React.useState<string | null>(null);
  const { id, text } = definition;
  const change = (now: string, active: boolean): void => {
    void model.send({ type: 'edit_definition', definition: id, text: now, active });
  };
  const facts = [
    definition.run === null
      ? trans.__('written here')
      : trans.__('question %1', definition.run.slice(1)),
    definition.by === 'choice' ? trans.__('your choice') : '',
    definition.quote === '' ? '' : `“${definition.quote}”`,
    definition.ended === null ? '' : trans.__('ended in question %1', definition.ended.slice(1)),
    definition.claimed ? trans.__('claimed by the notebook, not checked') : ''
  ];
  return (
    <li className={holds(definition) ? undefined : 'ak-mod-off'}>
      {draft === null ? (
        <div className="ak-Row">
          <label className="ak-Ledger-text">
            <input
              type="checkbox"
              checked={holds(definition)}
              onChange={event => {
                change(text, event.target.checked);
              }}
            />
            <span>{text}</span>
          </label>
          <button
            type="button"
            className="ak-Button"
            aria-label={trans.__('Edit %1', text)}
            onClick={() => {
              setDraft(text);
            }}
          >
            {trans.__('Edit')}
          </button>
          <button
            type="button"
            className="ak-Button"
            aria-label={trans.__('Remove %1', text)}
            onClick={() => void model.send({ type: 'remove_definition', definition: id })}
          >
            {trans.__('Remove')}
          </button>
        </div>
      ) : (
        <form
          className="ak-Row"
          onSubmit={event => {
            event.preventDefault();
            if (draft.trim() !== '') {
              change(draft.trim(), holds(definition));
              setDraft(null);
            }
          }}
          onKeyDown={event => {
            if (event.key === 'Escape') {
              // Only the field is left, not the list around it.
              event.preventDefault();
              event.stopPropagation();
              setDraft(null);
            }
          }}
        >
          <input
            className="ak-Input"
            aria-label={trans.__('Definition')}
            autoFocus
            maxLength={LONGEST}
            value={draft}
            onChange={event => {
              setDraft(event.target.value);
            }}
          />
          <button type="submit" className="ak-Button" disabled={draft.trim() === ''}>
            {trans.__('Save')}
          </button>
          <button
            type="button"
            className="ak-Button"
            onClick={() => {
              setDraft(null);
            }}
          >
            {trans.__('Cancel')}
          </button>
        </form>
      )}
      <div className="ak-Quiet">{facts.filter(fact => fact !== '').join(' · ')}</div>
    </li>
  );
}

/** Return whether a definition holds for the next question. */
function holds(definition: Definition): boolean {
  return definition.active && definition.ended === null;
}

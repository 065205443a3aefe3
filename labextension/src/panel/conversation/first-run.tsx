/** What is shown before the first question: an introduction, examples, the set-up of a model. */
import * as React from 'react';
import type { Example, Models, Status } from '../../client/records';
import { KeyDialog } from '../composer/key-dialog';
import { ModelMenu } from '../composer/model-menu';
import { usePanel, useServices } from '../services';
import { count } from '../controls/format';

const NONE: readonly Example[] = [];

export function FirstRun(): React.JSX.Element {
  const { trans, model } = useServices();
  const status = usePanel(m => m.store.status);
  const models = usePanel(m => m.store.models);
  const examples = status?.examples ?? NONE;
  return (
    <div className="ak-FirstRun">
      <p>
        <b>{trans.__('Ask about your data.')}</b>{' '}
        {trans.__(
          'The code runs in its own sandboxed kernel; every step becomes a cell of a notebook that you can open, edit and run again.'
        )}
      </p>
      {examples.length > 0 && (
        <div className="ak-Next" role="group" aria-label={trans.__('Examples')}>
          <div className="ak-Quiet">{trans.__('Try one of these')}</div>
          {examples.map(example => (
            <button
              key={example.question}
              type="button"
              className="ak-Suggestion"
              onClick={() => void model.ask(example.question, [example.path])}
            >
              {example.question}
              <small>
                {example.rows === null
                  ? example.dataset
                  : trans.__('%1, %2 rows', example.dataset, count(example.rows))}
              </small>
            </button>
          ))}
        </div>
      )}
      {(status?.notices ?? []).map(notice => (
        <div key={notice} className="ak-Notice ak-mod-warning">
          {notice}
        </div>
      ))}
      {status !== null && !hasAi(status, models) && <SetUpCard />}
    </div>
  );
}

function hasAi(status: Status, models: Models | null): boolean {
  return (
    status.is_ai ||
    (models?.providers.some(
      provider => provider.is_ai && provider.has_credentials && provider.models.length > 0
    ) ??
      false)
  );
}

/** The three ways to go on without an AI model. */
function SetUpCard(): React.JSX.Element | null {
  const { trans } = useServices();
  const local = usePanel(m => m.store.models?.local.length ?? 0);
  const [adding, setAdding] = React.useState(false);
  const [dismissed, setDismissed] = React.useState(false);
  if (dismissed) {
    return null;
  }
  return (
    <section className="ak-Card" aria-label={trans.__('Set up a model')}>
      <b>{trans.__('No AI model is set up.')}</b>
      <span className="ak-Quiet">
        {trans.__(
          'Until then, built-in rules answer common questions: profiles, trends, comparisons, correlations. They never guess.'
        )}
      </span>
      <div className="ak-Row">
        <button
          type="button"
          className="ak-Button ak-mod-outline"
          onClick={() => {
            setAdding(true);
          }}
        >
          {trans.__('Add a key')}
        </button>
        {local > 0 ? (
          <ModelMenu className="ak-Link">{trans.__('Use a model on this computer')}</ModelMenu>
        ) : (
          <LocalHint />
        )}
        <button
          type="button"
          className="ak-Link"
          onClick={() => {
            setDismissed(true);
          }}
        >
          {trans.__('Go on offline')}
        </button>
      </div>
      {adding && (
        <KeyDialog
          onClose={() => {
            setAdding(false);
          }}
        />
      )}
    </section>
  );
}

/** How to run a local model, with a button that looks for it again. */
function LocalHint(): React.JSX.Element {
  const { trans, model } = useServices();
  const [open, setOpen] = React.useState(false);
  return (
    <>
      <button
        type="button"
        className="ak-Link"
        aria-expanded={open}
        onClick={() => {
          setOpen(!open);
          if (!open) {
            void model.store.refreshModels(true);
          }
        }}
      >
        {trans.__('Use a model on this computer')}
      </button>
      {open && (
        <div className="ak-Quiet ak-mod-full">
          {trans.__(
            'No local model answers. Start a server with the OpenAI-compatible interface, such as Ollama, on the computer that runs Jupyter; then look again.'
          )}{' '}
          <button
            type="button"
            className="ak-Link"
            onClick={() => void model.store.refreshModels(true)}
          >
            {trans.__('Look again')}
          </button>
        </div>
      )}
    </>
  );
}

/** The model picker: the available models, the chosen model, and local ones on request, and how to add a key. */
import { caretDownIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { Models } from '../../client/records';
import { KeyDialog } from './key-dialog';
import { Menu, type MenuItem } from '../controls/menu';
import { usePanel, useServices } from '../services';
import { shortModel } from '../controls/format';

/** Return the name of the model for the next question. */
export function useModelName(): string {
  return usePanel(
    model =>
      (model.analysis === null
        ? (model.choice.model ?? model.defaults.model)
        : model.state?.model || model.summary?.model) ||
      model.store.status?.default_model ||
      'offline:rules'
  );
}

interface Props {
  readonly className?: string;
  readonly children?: React.ReactNode;
}

export function ModelMenu({ className, children }: Props): React.JSX.Element {
  const { trans, model, actions } = useServices();
  const chosen = useModelName();
  const models = usePanel(m => m.store.models);
  const locked = usePanel(m => m.store.status?.locked.model !== undefined);
  const [adding, setAdding] = React.useState(false);
  const items: (MenuItem | 'separator')[] = offered(models, chosen).map(name => ({
    label: shortModel(name),
    detail: labelOf(name, models, trans.__('Built-in rules, no AI model')),
    checked: name === chosen,
    run: () => void model.choose({ model: name })
  }));
  const look = async (): Promise<void> => {
    await model.store.refreshModels(true);
    const count = model.store.models?.local.length ?? 0;
    actions.notify(
      count === 0
        ? trans.__('No model answers on the computer that runs Jupyter.')
        : trans._n(
            '%1 model answers there; it is in the menu.',
            '%1 models answer there; they are in the menu.',
            count
          )
    );
  };
  items.push(
    'separator',
    { label: trans.__('Look for models on this computer'), run: () => void look() },
    {
      label: trans.__('Add a key …'),
      run: () => {
        setAdding(true);
      }
    }
  );
  return (
    <>
      <Menu
        label={trans.__('Model: %1', chosen)}
        title={locked ? trans.__('Your administrator fixed the model.') : trans.__('Model')}
        className={className ?? 'ak-Picker'}
        place="above"
        isNamed={children !== undefined}
        disabled={locked}
        items={items}
      >
        {children ?? (
          <>
            <span className="ak-Picker-name">{shortModel(chosen)}</span>
            <caretDownIcon.react tag="span" className="ak-Icon" />
          </>
        )}
      </Menu>
      {adding && (
        <KeyDialog
          onClose={() => {
            setAdding(false);
          }}
        />
      )}
    </>
  );
}

/** Return every usable model, and the chosen model in any case. */
function offered(models: Models | null, chosen: string): readonly string[] {
  const usable = (models?.providers ?? [])
    .filter(provider => provider.is_ai && provider.has_credentials)
    .flatMap(provider => {
      const names = new Set([provider.default_model, ...provider.models]);
      return [...names].filter(name => name !== '').map(name => `${provider.name}:${name}`);
    });
  return [...new Set([chosen, ...usable, ...(models?.local ?? []), 'offline:rules'])];
}

function labelOf(name: string, models: Models | null, rules: string): string {
  if (name === 'offline:rules') {
    return rules;
  }
  const provider = name.slice(0, name.indexOf(':'));
  return models?.providers.find(candidate => candidate.name === provider)?.label ?? provider;
}

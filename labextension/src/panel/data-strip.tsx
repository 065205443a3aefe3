/** The granted datasets as chips, and the ways to attach more. */
import * as React from 'react';
import type { DatasetProfile } from '../protocol/generated';
import { AttachDialog } from './attach-dialog';
import { DatasetDialog } from './dataset-dialog';
import { Menu } from './menu';
import { usePanel, useServices } from './services';
import { datasetLabel, datasetShape, warningText } from './wording';

const NONE: readonly DatasetProfile[] = [];

/** The strip below the head. */
export function DataStrip(): React.JSX.Element {
  const { trans } = useServices();
  const datasets = usePanel(model => model.state?.datasets ?? NONE);
  const [shown, setShown] = React.useState<string | null>(null);
  const profile = datasets.find(dataset => dataset.dataset.name === shown);
  return (
    <div className="ak-Data" role="group" aria-label={trans.__('Data')}>
      {datasets.map(({ dataset, warnings }) => (
        <button
          key={dataset.name}
          type="button"
          className="ak-Chip"
          aria-haspopup="dialog"
          title={`${dataset.path}\n${warnings.map(warningText).join('\n')}`.trim()}
          onClick={() => {
            setShown(dataset.name);
          }}
        >
          <span className="ak-Chip-name">{datasetLabel(dataset)}</span>
          <small>{datasetShape(dataset)}</small>
          {warnings.length > 0 && (
            <span className="ak-Chip-warning">
              <span aria-hidden="true">⚠</span>
              <span className="ak-Hidden">
                {trans._n('%1 warning', '%1 warnings', warnings.length)}
              </span>
            </span>
          )}
        </button>
      ))}
      <AttachMenu short={datasets.length > 0} />
      {profile !== undefined && (
        <DatasetDialog
          profile={profile}
          onClose={() => {
            setShown(null);
          }}
        />
      )}
    </div>
  );
}

function AttachMenu({ short }: { readonly short: boolean }): React.JSX.Element {
  const { trans, model, actions } = useServices();
  const [byPath, setByPath] = React.useState(false);
  const file = React.useRef<HTMLInputElement>(null);
  const attach = (paths: readonly string[]): void => {
    void model.attach(paths);
  };
  return (
    <>
      <Menu
        label={trans.__('Attach data')}
        className="ak-Chip ak-mod-add"
        items={[
          {
            label: trans.__('From this server …'),
            disabled: actions.chooseFiles === null,
            run: () => {
              void actions.chooseFiles?.().then(attach);
            }
          },
          {
            label: trans.__('Upload …'),
            detail: trans.__('Stored beside the notebook'),
            run: () => {
              file.current?.click();
            }
          },
          {
            label: trans.__('By path …'),
            detail: trans.__('A file, a folder or an address'),
            run: () => {
              setByPath(true);
            }
          }
        ]}
      >
        {short ? '+' : trans.__('+ Attach data')}
      </Menu>
      <input
        ref={file}
        type="file"
        multiple
        hidden
        aria-label={trans.__('Files to upload')}
        onChange={event => {
          const files = [...(event.target.files ?? [])];
          event.target.value = '';
          void model.upload(files);
        }}
      />
      {byPath && (
        <AttachDialog
          onAttach={attach}
          onClose={() => {
            setByPath(false);
          }}
        />
      )}
    </>
  );
}

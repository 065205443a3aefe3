/** The granted datasets as chips, and the ways to attach more. */
import { addIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { DatasetProfile } from '../../protocol/generated';
import { AttachMenu } from './attach-menu';
import { DatasetDialog } from './dataset-dialog';
import { LedgerChip } from './ledger-chip';
import { PackagesChip } from './packages-chip';
import { ConnectionChips } from '../connections/connection-chips';
import { InstructionsChip } from '../privacy/instructions-chip';
import { usePanel, useServices } from '../services';
import { datasetLabel, datasetShape, warningText } from '../controls/format';

const NONE: readonly DatasetProfile[] = [];

export function DataStrip(): React.JSX.Element {
  const { trans } = useServices();
  const datasets = usePanel(model => model.state?.datasets ?? NONE);
  const hasDatabases = usePanel(model => (model.state?.connections.length ?? 0) > 0);
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
          title={`${dataset.address || dataset.path}\n${warnings.map(warningText).join('\n')}`.trim()}
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
      <ConnectionChips />
      <AttachMenu label={trans.__('Attach data')} className="ak-Chip ak-mod-add">
        <addIcon.react tag="span" className="ak-Icon" />
        {datasets.length === 0 && !hasDatabases && trans.__('Attach data')}
      </AttachMenu>
      <LedgerChip />
      <PackagesChip />
      <InstructionsChip />
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

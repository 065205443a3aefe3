/** The packages that were fetched for an analysis: a chip beside the datasets, and their list. */
import * as React from 'react';
import type { PackageUsed } from '../../protocol/generated';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

const NONE: readonly PackageUsed[] = [];

/** The chip; nothing before a package was fetched. */
export function PackagesChip(): React.JSX.Element | null {
  const { trans } = useServices();
  const packages = usePanel(model => model.state?.packages ?? NONE);
  const [open, setOpen] = React.useState(false);
  if (packages.length === 0 && !open) {
    return null;
  }
  return (
    <>
      <button
        type="button"
        className="ak-Chip ak-Ledger-chip"
        aria-haspopup="dialog"
        title={packages.map(({ name, version }) => `${name} ${version}`).join('\n')}
        onClick={() => {
          setOpen(true);
        }}
      >
        <span className="ak-Chip-name">
          {trans._n('%1 package', '%1 packages', packages.length)}
        </span>
      </button>
      {open && (
        <PackagesDialog
          packages={packages}
          onClose={() => {
            setOpen(false);
          }}
        />
      )}
    </>
  );
}

function PackagesDialog(props: {
  readonly packages: readonly PackageUsed[];
  readonly onClose: () => void;
}): React.JSX.Element {
  const { packages, onClose } = props;
  const { trans, model } = useServices();
  return (
    <Dialog title={trans.__('Packages')} onClose={onClose}>
      <p className="ak-Quiet">
        {trans.__(
          'Fetched with your yes; this analysis, its branches and its next kernels have them. A package that you remove is gone with the next kernel.'
        )}
      </p>
      <ul className="ak-Ledger" aria-label={trans.__('Packages')}>
        {packages.map(used => {
          const asked = used.brought_by.includes(used.name);
          const facts = [
            asked ? '' : trans.__('needed by %1', used.brought_by.join(', ')),
            used.index,
            `SHA-256 ${used.sha256.slice(0, 12)}…`
          ];
          return (
            <li key={used.sha256}>
              <div className="ak-Row">
                <span className="ak-Ledger-text">
                  {used.name} {used.version}
                </span>
                {asked && (
                  <button
                    type="button"
                    className="ak-Button"
                    aria-label={trans.__('Remove %1', used.name)}
                    onClick={() => void model.send({ type: 'remove_package', name: used.name })}
                  >
                    {trans.__('Remove')}
                  </button>
                )}
              </div>
              <div className="ak-Quiet" title={used.sha256}>
                {facts.filter(fact => fact !== '').join(' · ')}
              </div>
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}

/** A package that is not installed and waits for the user's yes: what it is, whence, what it brings. */
import * as React from 'react';
import type { PackageOffer, PackageWheel } from '../../protocol/generated';
import type { ApprovalState } from '../../session/state';
import { useServices } from '../services';

interface Props {
  readonly approval: ApprovalState;
  readonly offer: PackageOffer;
  readonly active: boolean;
}

/** The card; a line once it is decided. */
export const PackageCard = React.memo(function PackageCard(props: Props): React.JSX.Element | null {
  const { approval, offer, active } = props;
  const { trans, model } = useServices();
  const [sent, setSent] = React.useState(false);
  const title = React.useId();
  const whole = `${offer.name} ${offer.version}`;

  if (approval.decision !== null || !active) {
    return approval.decision === null ? null : (
      <div className="ak-Decided">
        <span className="ak-Quiet">
          {approval.decision === 'skip'
            ? trans.__('You said no to a package:')
            : trans.__('You said yes to a package:')}
        </span>{' '}
        {whole}
      </div>
    );
  }
  const decide = (decision: 'run' | 'skip'): void => {
    setSent(true);
    void model.send({ type: 'decide_approval', ask: approval.ask, decision }).then(setSent);
  };
  const brought = offer.wheels.slice(1);
  const hosts = [...new Set(offer.wheels.map(wheel => wheel.host))].filter(host => host !== '');
  return (
    <div className="ak-Card ak-mod-attention ak-Package" role="group" aria-labelledby={title}>
      <b id={title}>{trans.__('Fetch a package?')}</b>
      <div className="ak-Package-name">
        {offer.name} <small>{offer.version}</small>
      </div>
      {offer.module !== '' && offer.module !== offer.name && (
        <div>{trans.__('The code imports %1, which is part of it.', offer.module)}</div>
      )}
      {approval.purpose !== '' && <span className="ak-Quiet">{approval.purpose}</span>}
      {!offer.known && (
        <div className="ak-Package-unknown">
          <span aria-hidden="true">⚠ </span>
          {trans.__('This name is not known here. Check that it is spelt as you expect.')}
          {offer.alike !== '' && ` ${trans.__('Did you mean %1?', offer.alike)}`}
        </div>
      )}
      <dl className="ak-Package-facts">
        <dt>{trans.__('Size')}</dt>
        <dd>{sizeOf(offer.wheels) ?? trans.__('not said by the index')}</dd>
        <dt>{trans.__('Index')}</dt>
        <dd>{offer.indexes.join(', ')}</dd>
        {hosts.length > 0 && (
          <>
            <dt>{trans.__('Files from')}</dt>
            <dd>{hosts.join(', ')}</dd>
          </>
        )}
        <dt>{trans.__('Brings')}</dt>
        <dd>
          {brought.length === 0
            ? trans.__('nothing else')
            : brought.map(wheel => `${wheel.name} ${wheel.version}`).join(', ')}
        </dd>
      </dl>
      <details>
        <summary>
          {trans._n('SHA-256 of %1 file', 'SHA-256 of %1 files', offer.wheels.length)}
        </summary>
        <ul className="ak-Package-hashes">
          {offer.wheels.map(wheel => (
            <li key={wheel.sha256}>
              {wheel.file}
              <code>{wheel.sha256}</code>
            </li>
          ))}
        </ul>
      </details>
      <span className="ak-Quiet">
        {trans.__(
          'Wheels only: nothing of it runs on the server and nothing is installed. The sandboxed kernel reads it, behind what is installed.'
        )}
      </span>
      <div className="ak-Row">
        <button
          type="button"
          className="ak-Button ak-mod-outline"
          disabled={sent}
          onClick={() => {
            decide('run');
          }}
        >
          {trans.__('Yes, fetch it')}
        </button>
        <button
          type="button"
          className="ak-Button"
          disabled={sent}
          onClick={() => {
            decide('skip');
          }}
        >
          {trans.__('No')}
        </button>
      </div>
    </div>
  );
});

/** Return the size of all files together; `null` if one is not known. */
function sizeOf(wheels: readonly PackageWheel[]): string | null {
  let total = 0;
  for (const { bytes } of wheels) {
    if (bytes === null) {
      return null;
    }
    total += bytes;
  }
  return total < 1e6 ? `${String(Math.ceil(total / 1e3))} kB` : `${(total / 1e6).toFixed(1)} MB`;
}

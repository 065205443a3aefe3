/** The probed isolation of the kernel: its level, its exact sentence, each probe. */
import * as React from 'react';
import type { SandboxReport } from '../../protocol/generated';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

/** The badge; a click shows the details. */
export function SandboxBadge(): React.JSX.Element | null {
  const { trans } = useServices();
  const report = usePanel(model => model.state?.sandbox ?? model.store.status?.sandbox ?? null);
  const [open, setOpen] = React.useState(false);
  const names: Readonly<Record<SandboxReport['level'], string>> = {
    isolated: trans.__('Isolated'),
    restricted: trans.__('Restricted'),
    limits: trans.__('Limits only'),
    none: trans.__('Not isolated')
  };
  return (
    <span role="status" aria-label={trans.__('Sandbox')}>
      {report === null ? (
        <span className="ak-Quiet">{trans.__('Sandbox: not started')}</span>
      ) : (
        <button
          type="button"
          className={`ak-Badge ak-mod-${report.level}`}
          title={report.sentence}
          aria-haspopup="dialog"
          onClick={() => {
            setOpen(true);
          }}
        >
          <span aria-hidden="true">{report.level === 'isolated' ? '●' : '▲'}</span>{' '}
          {names[report.level]}
        </button>
      )}
      {open && report !== null && (
        <Dialog
          title={trans.__('Sandbox: %1', names[report.level])}
          onClose={() => {
            setOpen(false);
          }}
        >
          <p>{report.sentence}</p>
          {report.memory !== '' && (
            <p className="ak-Quiet">
              {trans.__('Memory:')} {report.memory}
            </p>
          )}
          <ul className="ak-Probes" aria-label={trans.__('What was tried')}>
            {report.probes.map(probe => (
              <li key={probe.name}>
                <span
                  className={`ak-Mark ak-mod-${probe.closed ? 'ok' : probe.expected ? 'error' : 'open'}`}
                  aria-hidden="true"
                >
                  {probe.closed ? '✓' : probe.expected ? '✕' : '–'}
                </span>
                <span>
                  <b>{probe.name}</b>{' '}
                  <span className="ak-Quiet">
                    {probe.closed ? trans.__('closed') : trans.__('open')}
                    {probe.detail === '' ? '' : `: ${probe.detail}`}
                  </span>
                </span>
              </li>
            ))}
          </ul>
          {report.notes.map(note => (
            <div key={note} className="ak-Notice ak-mod-info">
              {note}
            </div>
          ))}
        </Dialog>
      )}
    </span>
  );
}

/** An enlarged chart; its versions one at a time or side by side, with their code. */
import * as React from 'react';
import type { ChartGroup, ChartVersion } from '../../session/charts';
import { ChartPicture, Flip } from './chart-picture';
import { CodeBlock } from '../controls/code-block';
import { Dialog } from '../controls/dialog';
import { useServices } from '../services';

interface Props {
  readonly group: ChartGroup;
  readonly startAt: number;
  readonly onClose: () => void;
}

export function ChartDialog({ group, startAt, onClose }: Props): React.JSX.Element {
  const { trans } = useServices();
  const [at, setAt] = React.useState(startAt);
  const [beside, setBeside] = React.useState(false);
  const [code, setCode] = React.useState(false);
  const version = group.versions[at];
  const shown = beside ? group.versions : version === undefined ? [] : [version];
  return (
    <Dialog title={version?.title ?? ''} size="wide" onClose={onClose}>
      <div className="ak-Row">
        {group.versions.length > 1 && (
          <>
            {!beside && <Flip at={at} group={group} onFlip={setAt} />}
            <button
              type="button"
              className="ak-Button"
              aria-pressed={beside}
              onClick={() => {
                setBeside(!beside);
              }}
            >
              {trans.__('Side by side')}
            </button>
          </>
        )}
        <button
          type="button"
          className="ak-Button"
          aria-pressed={code}
          onClick={() => {
            setCode(!code);
          }}
        >
          {trans.__('Code')}
        </button>
      </div>
      <div className={beside ? 'ak-Versions' : undefined}>
        {shown.map(one => (
          <Version key={one.chart.id} version={one} code={code} />
        ))}
      </div>
    </Dialog>
  );
}

function Version(props: {
  readonly version: ChartVersion;
  readonly code: boolean;
}): React.JSX.Element {
  const { version, code } = props;
  const { trans } = useServices();
  const warnings = version.data?.warnings;
  return (
    <figure className="ak-Chart ak-mod-large">
      <ChartPicture version={version} />
      <figcaption>
        <span className="ak-Quiet">{trans.__('Iteration %1', version.chart.iteration)}</span>{' '}
        {version.alt}
        {Array.isArray(warnings) &&
          warnings.map((warning, index) =>
            typeof warning === 'string' ? (
              <div key={index} className="ak-Notice ak-mod-warning">
                {warning}
              </div>
            ) : null
          )}
      </figcaption>
      {code && version.cell !== null && <CodeBlock code={version.cell.code} language="python" />}
    </figure>
  );
}

/** A chart: its picture, its versions, and what can be done with it. */
import { ellipsesIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { chartCsv } from '../../session/chart-csv';
import type { ChartGroup, ChartVersion } from '../../session/charts';
import { ChartDialog } from './chart-dialog';
import { Menu, type MenuItem } from '../controls/menu';
import { useServices } from '../services';
import { ChartPicture, Flip } from './chart-picture';
import { copyPicture, download, fileStem, pictureBlob } from './save-chart';

interface Props {
  readonly group: ChartGroup;
  /** The version that is shown first; the newest by default. */
  readonly startAt?: number;
}

export const ChartCard = React.memo(function ChartCard(props: Props): React.JSX.Element | null {
  const { group } = props;
  const { trans } = useServices();
  const newest = group.versions.length - 1;
  const [chosen, setChosen] = React.useState<number | null>(null);
  const [enlarged, setEnlarged] = React.useState(false);
  const at = Math.min(chosen ?? props.startAt ?? newest, newest);
  const version = group.versions[at];
  if (version === undefined) {
    return null;
  }
  return (
    <figure className="ak-Chart">
      <ChartPicture
        version={version}
        onOpen={() => {
          setEnlarged(true);
        }}
      />
      <figcaption className="ak-Row">
        <span className="ak-Chart-title" title={version.title}>
          {version.title}
        </span>
        <span className="ak-Side">
          {group.versions.length > 1 && <Flip at={at} group={group} onFlip={setChosen} />}
          <ChartMenu
            version={version}
            onEnlarge={() => {
              setEnlarged(true);
            }}
          />
        </span>
      </figcaption>
      {enlarged && (
        <ChartDialog
          group={group}
          startAt={at}
          onClose={() => {
            setEnlarged(false);
          }}
        />
      )}
      <span className="ak-Hidden" aria-live="polite">
        {chosen !== null && trans.__('Version %1 of %2', at + 1, group.versions.length)}
      </span>
    </figure>
  );
});

function ChartMenu(props: {
  readonly version: ChartVersion;
  readonly onEnlarge: () => void;
}): React.JSX.Element {
  const { version, onEnlarge } = props;
  const { trans, model, actions } = useServices();
  const { png, cell } = version;
  const csv = React.useMemo(() => chartCsv(version.data), [version.data]);
  const stem = fileStem(version.title);
  const items: (MenuItem | 'separator')[] = [
    { label: trans.__('Enlarge'), run: onEnlarge },
    {
      label: trans.__('Copy picture'),
      disabled: png === null,
      run: () => {
        if (png !== null) {
          void copyPicture(png).then(
            () => {
              actions.notify(trans.__('Picture copied.'));
            },
            (reason: unknown) => {
              model.report(reason);
            }
          );
        }
      }
    },
    {
      label: trans.__('Download PNG'),
      disabled: png === null,
      run: () => {
        if (png !== null) {
          download(pictureBlob(png), `${stem}.png`);
        }
      }
    },
    {
      label: trans.__('Download data (CSV)'),
      disabled: csv === null,
      run: () => {
        if (csv !== null) {
          download(new Blob([csv], { type: 'text/csv' }), `${stem}.csv`);
        }
      }
    },
    'separator',
    {
      label: trans.__('Show code'),
      disabled: cell === null,
      run: () => {
        model.reveal(version.chart.cell);
      }
    },
    {
      label: trans.__('Show in notebook'),
      disabled: actions.openNotebook === null,
      run: () => {
        if (model.analysis !== null) {
          actions.openNotebook?.(model.analysis, version.chart.cell);
        }
      }
    }
  ];
  return (
    <Menu label={trans.__('Chart actions')} className="ak-IconButton" align="end" items={items}>
      <ellipsesIcon.react tag="span" className="ak-Icon" />
    </Menu>
  );
}

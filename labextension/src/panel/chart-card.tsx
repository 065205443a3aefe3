/** A chart: its picture, its versions, and what can be done with it. */
import * as React from 'react';
import { chartCsv } from '../session/chart-csv';
import type { ChartGroup, ChartVersion } from '../session/charts';
import { ChartDialog } from './chart-dialog';
import { Menu, type MenuItem } from './menu';
import { useServices } from './services';
import { copyPicture, download, fileStem, pictureBlob } from './save-chart';

interface Props {
  readonly group: ChartGroup;
  /** The version that is shown first; the newest where none is named. */
  readonly startAt?: number;
}

/** The card. */
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

/** The picture as a button, or a word about why there is none. */
export function ChartPicture(props: {
  readonly version: ChartVersion;
  readonly onOpen?: () => void;
}): React.JSX.Element {
  const { version, onOpen } = props;
  const { trans } = useServices();
  if (version.png === null) {
    return <div className="ak-Chart-missing">{trans.__('This chart has no picture.')}</div>;
  }
  const image = (
    <img src={`data:image/png;base64,${version.png}`} alt={version.alt} loading="lazy" />
  );
  return onOpen === undefined ? (
    <div className="ak-Chart-picture">{image}</div>
  ) : (
    <button
      type="button"
      className="ak-Chart-picture"
      title={trans.__('Enlarge')}
      aria-label={trans.__('Enlarge: %1', version.alt)}
      onClick={onOpen}
    >
      {image}
    </button>
  );
}

/** Goes through the versions. */
export function Flip(props: {
  readonly at: number;
  readonly group: ChartGroup;
  readonly onFlip: (at: number) => void;
}): React.JSX.Element {
  const { at, group, onFlip } = props;
  const { trans } = useServices();
  return (
    <span className="ak-Flip">
      <button
        type="button"
        className="ak-IconButton"
        aria-label={trans.__('Version before')}
        title={trans.__('Version before')}
        disabled={at === 0}
        onClick={() => {
          onFlip(at - 1);
        }}
      >
        ‹
      </button>
      <span>{trans.__('%1 of %2', at + 1, group.versions.length)}</span>
      <button
        type="button"
        className="ak-IconButton"
        aria-label={trans.__('Version after')}
        title={trans.__('Version after')}
        disabled={at === group.versions.length - 1}
        onClick={() => {
          onFlip(at + 1);
        }}
      >
        ›
      </button>
    </span>
  );
}

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
              actions.tell(trans.__('Picture copied.'));
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
      ⋯
    </Menu>
  );
}

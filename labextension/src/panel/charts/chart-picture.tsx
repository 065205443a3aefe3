/** The picture of a chart, and the buttons that switch between its versions. */
import * as React from 'react';
import type { ChartGroup, ChartVersion } from '../../session/charts';
import { useServices } from '../services';

/** The picture, as a button if it can be opened, or a sentence if the chart has no picture. */
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

/** The buttons that switch between versions. */
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

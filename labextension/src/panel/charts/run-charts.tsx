/** The charts of one run, and the gallery of all charts of the analysis. */
import * as React from 'react';
import { chartGroups, type ChartGroup } from '../../session/charts';
import type { AnalysisState, RunState } from '../../session/state';
import { ChartCard } from './chart-card';
import { Dialog } from '../controls/dialog';
import { usePanel, useServices } from '../services';

const cache = new WeakMap<
  AnalysisState['charts'],
  { last: number; groups: readonly ChartGroup[] }
>();

/** Return the groups; the same array as long as the charts show the same. */
function groupsOf(state: AnalysisState | null): readonly ChartGroup[] {
  if (state === null || state.charts.length === 0) {
    return NONE;
  }
  const known = cache.get(state.charts);
  if (known?.last === state.last) {
    return known.groups;
  }
  const groups = chartGroups(state);
  const same =
    known?.groups.length === groups.length &&
    known.groups.every((group, index) => sameGroup(group, groups[index]));
  const kept = same ? known.groups : groups;
  cache.set(state.charts, { last: state.last, groups: kept });
  return kept;
}

const NONE: readonly ChartGroup[] = [];

function sameGroup(a: ChartGroup, b: ChartGroup | undefined): boolean {
  return (
    a.versions.length === b?.versions.length &&
    a.versions.every((version, index) => version === b.versions[index])
  );
}

/** The charts that a run drew, each at the run's newest version. */
export const RunCharts = React.memo(function RunCharts({
  run
}: {
  readonly run: RunState;
}): React.JSX.Element | null {
  const { trans } = useServices();
  const groups = usePanel(model => groupsOf(model.state));
  const own = groups.flatMap(group => {
    const startAt = group.versions.findLastIndex(version => version.run === run.id);
    return startAt < 0 ? [] : [{ group, startAt }];
  });
  if (own.length === 0) {
    return null;
  }
  return (
    <ul className="ak-Charts" aria-label={trans.__('Charts')}>
      {own.map(({ group, startAt }) => (
        <li key={group.id}>
          <ChartCard group={group} startAt={startAt} />
        </li>
      ))}
    </ul>
  );
});

/** Return the number of charts of the analysis. */
export function useChartCount(): number {
  return usePanel(model => model.state?.charts.length ?? 0);
}

/** All charts of the analysis in one dialog. */
export function Gallery({ onClose }: { readonly onClose: () => void }): React.JSX.Element {
  const { trans } = useServices();
  const groups = usePanel(model => groupsOf(model.state));
  return (
    <Dialog title={trans.__('Charts')} size="wide" onClose={onClose}>
      <ul className="ak-Charts ak-mod-gallery" aria-label={trans.__('Charts')}>
        {groups.map(group => (
          <li key={group.id}>
            <ChartCard group={group} />
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

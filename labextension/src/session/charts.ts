/** Groups the charts of an analysis: each group holds the versions of one chart. Pure. */
import type { ChartRecord } from '../protocol/generated';
import type { AnalysisState, IterationState } from './state';
import { findCell } from './progress';

/** The MIME type of the typed data, which is in the same bundle as the picture. */
const CHART_MIME = 'application/vnd.analyst-kernel.chart.v1+json';

/** One version of a chart, with what is needed to show it. */
export interface ChartVersion {
  readonly chart: ChartRecord;
  readonly run: string | null;
  readonly cell: IterationState | null;
  /** Base64 PNG; `null` while the cell runs or if the chart has no picture. */
  readonly png: string | null;
  readonly data: ChartRecord['data'];
  readonly title: string;
  readonly alt: string;
}

/** A chart with all its versions, oldest first. */
export interface ChartGroup {
  readonly id: string;
  readonly versions: readonly ChartVersion[];
}

/** Return all charts of the analysis, in the order of their first versions. */
export function chartGroups(state: AnalysisState): readonly ChartGroup[] {
  const groups: { id: string; versions: ChartVersion[] }[] = [];
  for (const chart of state.charts) {
    const version = versionOf(state, chart);
    const group = groups.find(({ versions }) => versions.some(other => isVersion(other, version)));
    if (group === undefined) {
      groups.push({ id: chart.id, versions: [version] });
    } else {
      group.versions.push(version);
    }
  }
  return groups;
}

/** Return the description of a bundle's picture, or '' if its typed chart has none. */
export function altOf(bundle: Readonly<Record<string, unknown>>): string {
  const typed = bundle[CHART_MIME];
  return isRecord(typed) ? textOf(typed.alt) : '';
}

const known = new WeakMap<ChartRecord, ChartVersion>();

/** Return a chart as a version. It is the same object as long as its cell is the same. */
function versionOf(state: AnalysisState, chart: ChartRecord): ChartVersion {
  const cell = findCell(state, chart.cell);
  const before = known.get(chart);
  if (before?.cell === cell) {
    return before;
  }
  const version = makeVersion(state, chart, cell);
  known.set(chart, version);
  return version;
}

function makeVersion(
  state: AnalysisState,
  chart: ChartRecord,
  cell: IterationState | null
): ChartVersion {
  const output = cell?.outputs[chart.output];
  const bundle =
    output?.output_type === 'display_data' || output?.output_type === 'execute_result'
      ? output.data
      : {};
  const png = bundle['image/png'];
  const typed = bundle[CHART_MIME];
  const data = chart.data ?? (isRecord(typed) ? typed : null);
  const run = state.runs.find(r => r.entries.some(e => e.kind === 'iteration' && e === cell));
  return {
    chart,
    run: run?.id ?? null,
    cell,
    png: chart.png ?? (typeof png === 'string' ? png.replace(/\s/g, '') : null),
    data,
    title: textOf(data?.title) || chart.title,
    alt: chart.alt || textOf(data?.alt) || chart.title
  };
}

/**
 * Return whether two charts are versions of one chart: they have the same title in different
 * cells, or a later run drew the same quantities in another form.
 */
function isVersion(before: ChartVersion, after: ChartVersion): boolean {
  if (before.chart.cell === after.chart.cell) {
    return false;
  }
  const title = before.title.trim().toLowerCase();
  if (title !== '' && title === after.title.trim().toLowerCase()) {
    return true;
  }
  const redrawn = textOf(before.data?.type) !== textOf(after.data?.type);
  const axes = axesOf(before);
  return before.run !== after.run && redrawn && axes !== '' && axes === axesOf(after);
}

/** Return the quantities on both axes, or '' if one has no name. */
function axesOf({ data }: ChartVersion): string {
  const labels = [textOf(data?.x_label), textOf(data?.y_label)];
  return labels.every(label => label !== '') ? labels.join('|').toLowerCase() : '';
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isRecord(value: unknown): value is NonNullable<ChartRecord['data']> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

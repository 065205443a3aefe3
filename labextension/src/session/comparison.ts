/** Two analyses side by side: which questions, cells and lines differ. Pure. */
import { chartGroups, type ChartVersion } from './charts';
import { changedRows, type ChangedRow } from './line-diff';
import { iterationsOf } from './progress';
import type { AnalysisState, IterationState, RunState } from './state';

/** Both sides of a comparison; `null` if a side has no counterpart. */
export interface Pair<T> {
  readonly left: T | null;
  readonly right: T | null;
}

/** One cell of both sides and the lines that differ; no rows if its code is the same. */
export interface CellPair extends Pair<IterationState> {
  readonly same: boolean;
  readonly rows: readonly ChangedRow[];
}

/** One question of both sides. */
export interface RunPair extends Pair<RunState> {
  /** Whether both sides have the same question, code and answer. */
  readonly same: boolean;
  readonly cells: readonly CellPair[];
  readonly charts: Pair<readonly ChartVersion[]>;
}

/** Pair the questions of both analyses, the n-th with the n-th. */
export function compare(left: AnalysisState, right: AnalysisState): readonly RunPair[] {
  const count = Math.max(left.runs.length, right.runs.length);
  return Array.from({ length: count }, (_, index) => {
    const one = left.runs[index] ?? null;
    const other = right.runs[index] ?? null;
    const cells = pairCells(one, other);
    const same =
      one !== null &&
      other !== null &&
      one.question === other.question &&
      one.answer === other.answer &&
      cells.every(pair => pair.same);
    const charts = { left: chartsOf(left, one), right: chartsOf(right, other) };
    return { left: one, right: other, same, cells, charts };
  });
}

/** Pair cells with the same id; the other cells follow in their order. */
function pairCells(left: RunState | null, right: RunState | null): readonly CellPair[] {
  const lefts = left === null ? [] : iterationsOf(left);
  const rights = right === null ? [] : iterationsOf(right);
  const shared = new Set(lefts.map(cell => cell.cell));
  const common = rights.filter(cell => shared.has(cell.cell)).map(cell => cell.cell);
  const pairs: Pair<IterationState>[] = common.map(id => ({
    left: lefts.find(cell => cell.cell === id) ?? null,
    right: rights.find(cell => cell.cell === id) ?? null
  }));
  const restLeft = lefts.filter(cell => !common.includes(cell.cell));
  const restRight = rights.filter(cell => !common.includes(cell.cell));
  for (let i = 0; i < Math.max(restLeft.length, restRight.length); i += 1) {
    pairs.push({ left: restLeft[i] ?? null, right: restRight[i] ?? null });
  }
  return pairs.map(pair => {
    const same = pair.left !== null && pair.left.code === pair.right?.code;
    const rows = same ? [] : changedRows(pair.left?.code ?? null, pair.right?.code ?? null);
    return { ...pair, same, rows };
  });
}

/** Return the newest version of each chart that the run drew. */
function chartsOf(state: AnalysisState, run: RunState | null): readonly ChartVersion[] {
  if (run === null) {
    return [];
  }
  return chartGroups(state).flatMap(group => {
    const version = group.versions.findLast(one => one.run === run.id);
    return version === undefined ? [] : [version];
  });
}

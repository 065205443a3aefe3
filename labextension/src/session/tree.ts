/** The list of analyses as a tree: branches are below their parents. Pure. */
import type { AnalysisSummary } from '../client/records';

/** An analysis with its branches. */
export interface TreeNode {
  readonly summary: AnalysisSummary;
  readonly branches: readonly TreeNode[];
}

/**
 * Return the tree of `all`, in their order; the branches of a parent in the order of creation.
 *
 * An analysis without a parent in `all`, or that would be its own ancestor, is at the top.
 */
export function treeOf(all: readonly AnalysisSummary[]): readonly TreeNode[] {
  const known = new Map(all.map(one => [one.id, one]));
  const children = new Map<string, AnalysisSummary[]>();
  const tops: AnalysisSummary[] = [];
  for (const one of all) {
    if (one.parent === null || !known.has(one.parent) || isRound(one, known)) {
      tops.push(one);
    } else {
      children.set(one.parent, [...(children.get(one.parent) ?? []), one]);
    }
  }
  const node = (summary: AnalysisSummary): TreeNode => ({
    summary,
    branches: (children.get(summary.id) ?? []).toSorted((a, b) => a.created - b.created).map(node)
  });
  return tops.map(node);
}

/** Return the number of analyses below this node. */
export function countBelow(node: TreeNode): number {
  return node.branches.reduce((sum, branch) => sum + 1 + countBelow(branch), 0);
}

/** Return whether the analysis is somewhere below this node. */
export function holds(node: TreeNode, analysis: string | null): boolean {
  return node.branches.some(one => one.summary.id === analysis || holds(one, analysis));
}

function isRound(one: AnalysisSummary, known: ReadonlyMap<string, AnalysisSummary>): boolean {
  const seen = new Set<string>();
  for (let at: AnalysisSummary | undefined = one; at !== undefined;) {
    if (seen.has(at.id)) {
      return true;
    }
    seen.add(at.id);
    at = at.parent === null ? undefined : known.get(at.parent);
  }
  return false;
}

/** Folds the events of a branch: where it began, and its kernel on the way to that state. Pure. */
import type { BranchAdvanced, BranchFinished, BranchStarted } from '../protocol/generated';
import type { AnalysisState, BranchState } from './state';

/** The events that a branch has beside those of every analysis. */
export type BranchEvent = BranchStarted | BranchAdvanced | BranchFinished;

/** The branch after `event`; `null` where its beginning was never told. */
export function reduceBranch(state: AnalysisState, event: BranchEvent): BranchState | null {
  const { branch } = state;
  switch (event.type) {
    case 'branch_started':
      return {
        parent: event.parent,
        parentTitle: event.parent_title,
        cell: event.cell,
        runs: state.runs.length,
        cells: event.cells,
        place: 0,
        troubles: [],
        reproduced: null,
        total: event.cells,
        reason: ''
      };
    case 'branch_advanced': {
      const { cell, detail, place, verdict } = event;
      const troubled = verdict === 'differs' || verdict === 'error';
      return (
        branch && {
          ...branch,
          place,
          troubles: troubled ? [...branch.troubles, { cell, detail }] : branch.troubles
        }
      );
    }
    case 'branch_finished': {
      const { reproduced, total, reason } = event;
      return branch && { ...branch, reproduced, total, reason };
    }
    default: {
      const rest: never = event;
      throw new Error(`Unknown event ${JSON.stringify(rest)}`);
    }
  }
}

/** What an analysis looks like at one moment, folded from its events. Plain, frozen by habit. */
import type {
  AnalysisConfigured,
  Answer,
  CellError,
  CellVerified,
  ChartRecord,
  DatasetProfile,
  Finding,
  Frame,
  IterationFinished,
  IterationStarted,
  KernelChanged,
  Limits,
  NumberProof,
  RunFinished,
  SandboxReport,
  Step,
  Usage
} from '../protocol/generated';

/** One output of a cell. */
export type Output = IterationFinished['outputs'][number];
/** How an iteration ended, or that it has not. */
export type Outcome = IterationFinished['outcome'] | 'running';
/** What waits for the user. */
export type ApprovalMode = AnalysisConfigured['approval'];

/** How a panel asks by default, from the user's settings; `null` leaves it to the server. */
export interface AskDefaults {
  readonly model: string | null;
  readonly approval: ApprovalMode | null;
  readonly budget: number | null;
}

/** One cell of the analysis, as it runs and after. */
export interface IterationState {
  readonly kind: 'iteration';
  readonly cell: string;
  readonly iteration: number;
  readonly step: number | null;
  readonly attempt: number;
  readonly language: IterationStarted['language'];
  readonly purpose: string;
  readonly code: string;
  readonly startedAt: number;
  readonly outcome: Outcome;
  readonly seconds: number;
  readonly executionCount: number | null;
  readonly outputs: readonly Output[];
  readonly error: CellError | null;
  readonly frames: readonly Frame[];
  /** What the person did to it in the notebook itself, if anything. */
  readonly userChange: 'ran' | 'edited' | 'deleted' | null;
}

/** A tool call whose input arrives piece by piece: raw JSON text, for display only. */
export interface StreamedTool {
  readonly id: string;
  readonly name: string;
  readonly input: string;
}

/** One call of the model: its prose, its thinking, and the tool calls that are not yet cells. */
export interface CallState {
  readonly kind: 'call';
  readonly call: number;
  readonly text: string;
  readonly thinking: string;
  readonly tools: readonly StreamedTool[];
  readonly replied: boolean;
}

/** A question of the run to the person. */
export interface AskState {
  readonly kind: 'ask';
  readonly ask: string;
  readonly question: string;
  readonly options: readonly string[];
  readonly default: string;
  readonly answer: string | null;
  readonly by: 'person' | 'default' | null;
}

/** A cell that waits for leave to run. */
export interface ApprovalState {
  readonly kind: 'approval';
  readonly ask: string;
  readonly cell: string;
  readonly code: string;
  readonly purpose: string;
  readonly decision: 'run' | 'edit' | 'skip' | 'run_all' | null;
}

/** A plan that waits for the person. */
export interface PlanApprovalState {
  readonly kind: 'plan';
  readonly ask: string;
  readonly steps: readonly Step[];
  readonly approved: boolean;
  readonly edited: boolean;
}

/** Something that was cut, dropped, downgraded or is doubtful. */
export interface NoticeState {
  readonly kind: 'notice';
  readonly number: number;
  readonly level: 'info' | 'warning';
  readonly code: string;
  readonly message: string;
}

/** What happened in a run, in its order. */
export type Entry =
  IterationState | CallState | AskState | ApprovalState | PlanApprovalState | NoticeState;

/** The model failed and is asked again at `until` (seconds since the epoch, the server's clock). */
export interface RetryState {
  readonly attempt: number;
  readonly of: number;
  readonly wait: number;
  readonly at: number;
  readonly reason: string;
}

/** One question and all that happened until its answer. */
export interface RunState {
  readonly id: string;
  readonly question: string;
  readonly model: string;
  readonly isAi: boolean;
  readonly limits: Limits;
  readonly startedAt: number;
  readonly status: RunFinished['status'] | 'running';
  readonly reason: string;
  readonly plan: readonly Step[];
  readonly planReason: string;
  readonly entries: readonly Entry[];
  readonly findings: readonly Finding[];
  readonly retry: RetryState | null;
  readonly usage: Usage;
  readonly answer: string;
  readonly details: Answer | null;
  readonly numbers: readonly NumberProof[];
  readonly seconds: number;
  /** Set where the run was taken out of the notebook again. */
  readonly undone: { readonly kept: number; readonly rolledBack: boolean } | null;
}

/** How a re-run of the whole notebook in a fresh kernel goes. */
export interface VerificationState {
  readonly total: number;
  readonly cells: Readonly<Record<string, Pick<CellVerified, 'verdict' | 'detail'>>>;
  readonly reproduced: number | null;
  readonly reason: string;
  /** Whether the code changed since. */
  readonly stale: boolean;
}

/** From where an analysis began, and how far its kernel is on the way to that state. */
export interface BranchState {
  readonly parent: string;
  readonly parentTitle: string;
  readonly cell: string;
  /** How many of the analysis's runs are the parent's. */
  readonly runs: number;
  /** Cells that make the state, and how many of them are there. */
  readonly cells: number;
  readonly place: number;
  readonly troubles: readonly { readonly cell: string; readonly detail: string }[];
  /** `null` while it is on the way. */
  readonly reproduced: number | null;
  readonly total: number;
  readonly reason: string;
}

/** The kernel, as last heard of. */
export interface KernelState {
  readonly state: KernelChanged['state'] | 'none';
  readonly reason: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** An analysis. `last` is the number of the newest event in it. */
export interface AnalysisState {
  readonly analysis: string;
  readonly last: number;
  readonly title: string;
  readonly notebook: string;
  readonly model: string;
  readonly isAi: boolean | null;
  readonly approval: ApprovalMode;
  readonly budget: number | null;
  readonly kernel: KernelState;
  readonly sandbox: SandboxReport | null;
  readonly datasets: readonly DatasetProfile[];
  readonly runs: readonly RunState[];
  /** Cells that the person ran, by hand or again, outside a run. */
  readonly userCells: readonly IterationState[];
  readonly notices: readonly NoticeState[];
  readonly charts: readonly ChartRecord[];
  readonly queue: readonly string[];
  readonly verification: VerificationState | null;
  readonly branch: BranchState | null;
}

/** No tokens, no cost. */
export const NO_USAGE: Usage = {
  input_tokens: 0,
  cached_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  calls: 0,
  cost_usd: 0
};

/** An analysis of which nothing is known yet. */
export function emptyAnalysis(analysis: string): AnalysisState {
  return {
    analysis,
    last: 0,
    title: '',
    notebook: '',
    model: '',
    isAi: null,
    approval: 'automatic',
    budget: null,
    kernel: { state: 'none', reason: '', versions: {} },
    sandbox: null,
    datasets: [],
    runs: [],
    userCells: [],
    notices: [],
    charts: [],
    queue: [],
    verification: null,
    branch: null
  };
}

/** The state of an analysis, folded from its events. It is never changed in place. */
import type {
  AnalysisConfigured,
  Answer,
  AnswerOutcome,
  CellError,
  CellVerified,
  ChartRecord,
  DataState,
  DatasetProfile,
  Definition,
  Finding,
  Frame,
  IterationFinished,
  IterationStarted,
  KernelChanged,
  Limits,
  LineageHint,
  NumberProof,
  PackageOffer,
  PackageUsed,
  RunFinished,
  SandboxReport,
  Step,
  Usage
} from '../protocol/generated';

export type Output = IterationFinished['outputs'][number];
/** How an iteration ended, or `running`. */
export type Outcome = IterationFinished['outcome'] | 'running';
/** What waits for the user's approval. */
export type ApprovalMode = AnalysisConfigured['approval'];

/** What of the data the model may see. */
export type PrivacyMode = NonNullable<AnalysisConfigured['privacy']>;

/** How a panel asks by default, from the user's settings; `null` leaves it to the server. */
export interface AskDefaults {
  readonly model: string | null;
  readonly approval: ApprovalMode | null;
  readonly budget: number | null;
  readonly privacy: PrivacyMode | null;
  /** What the whole analysis may cost, in US dollars. */
  readonly analysisBudget: number | null;
}

export const NOTHING_CHOSEN: AskDefaults = {
  model: null,
  approval: null,
  budget: null,
  privacy: null,
  analysisBudget: null
};

/** One cell of the analysis, during and after its run. */
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
  /** Where the tables that it made come from, in one line; empty if it made none. */
  readonly lineage: string;
  /** What in it should be looked at twice. */
  readonly hints: readonly LineageHint[];
  /** What the user did with the cell in the notebook itself, if anything. */
  readonly userChange: 'ran' | 'edited' | 'deleted' | null;
}

/** A tool call whose input is being streamed: raw JSON text, for display only. */
export interface StreamedTool {
  readonly id: string;
  readonly name: string;
  readonly input: string;
}

/** One call of the model: its prose, its thinking, and the tool calls that are not cells yet. */
export interface CallState {
  readonly kind: 'call';
  readonly call: number;
  readonly text: string;
  readonly thinking: string;
  readonly tools: readonly StreamedTool[];
  readonly replied: boolean;
}

/** A question of the run to the user. */
export interface AskState {
  readonly kind: 'ask';
  readonly ask: string;
  readonly question: string;
  readonly options: readonly string[];
  readonly default: string;
  readonly answer: string | null;
  readonly by: 'person' | 'default' | null;
}

/** A cell that waits for approval, or a package that a cell needs. */
export interface ApprovalState {
  readonly kind: 'approval';
  readonly ask: string;
  readonly cell: string;
  readonly code: string;
  readonly purpose: string;
  /** The package, if not the cell itself waits. */
  readonly offer: PackageOffer | null;
  readonly decision: 'run' | 'edit' | 'skip' | 'run_all' | null;
}

/** A plan that waits for approval. */
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

/** What the run keeps for later questions: a definition of the user, or a named state. */
export interface KeptState {
  readonly kind: 'kept';
  readonly number: number;
  readonly definition: Definition | null;
  readonly state: DataState | null;
}

/** What happened in a run, in order. */
export type Entry =
  | IterationState
  | CallState
  | AskState
  | ApprovalState
  | PlanApprovalState
  | NoticeState
  | KeptState;

/** The model failed at `at` (seconds since the epoch) and is called again after `wait` seconds. */
export interface RetryState {
  readonly attempt: number;
  readonly of: number;
  readonly wait: number;
  readonly at: number;
  readonly reason: string;
}

/** One question and everything that happened until its answer. */
export interface RunState {
  readonly id: string;
  readonly question: string;
  readonly model: string;
  readonly isAi: boolean;
  readonly limits: Limits;
  /** What of the data the model might see when the run began. */
  readonly privacy: PrivacyMode;
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
  /** Set if the run was undone: how many cells stayed, and whether the kernel was rolled back. */
  readonly undone: { readonly kept: number; readonly rolledBack: boolean } | null;
  /** How the data is read since; empty if the answer rests on the reading that holds. */
  readonly readSince: string;
  /** What happened to the data since; empty if the answer rests on the data as they are. */
  readonly changedSince: string;
  /** What computing the answer again showed, and when; `null` before. */
  readonly outcome: { readonly found: AnswerOutcome; readonly at: number } | null;
}

/** The re-run of the whole notebook in a fresh kernel, until and after its end. */
export interface VerificationState {
  readonly total: number;
  readonly cells: Readonly<Record<string, Pick<CellVerified, 'verdict' | 'detail'>>>;
  readonly reproduced: number | null;
  readonly reason: string;
  /** Whether the code has changed since. */
  readonly stale: boolean;
}

/** The last refresh: how far it is, and why it has no result, if it has none. */
export interface RefreshState {
  readonly cells: number;
  readonly place: number;
  readonly running: boolean;
  readonly reason: string;
  /** What no longer fits the data. */
  readonly problems: readonly string[];
}

/** Where a branch began, and how far its kernel has been brought to that state. */
export interface BranchState {
  readonly parent: string;
  readonly parentTitle: string;
  readonly cell: string;
  /** How many of the runs belong to the parent. */
  readonly runs: number;
  /** The number of cells that make the state, and how many of them have run. */
  readonly cells: number;
  readonly place: number;
  readonly troubles: readonly { readonly cell: string; readonly detail: string }[];
  /** `null` until all cells have run. */
  readonly reproduced: number | null;
  readonly total: number;
  readonly reason: string;
}

/** The last known state of the kernel. */
export interface KernelState {
  readonly state: KernelChanged['state'] | 'none';
  readonly reason: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** What was used besides the run at work, as of event `number`; `day` is the server's date. */
export interface SpentState {
  readonly analysis: Usage;
  readonly today: Usage;
  readonly day: string;
  readonly number: number;
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
  readonly privacy: PrivacyMode;
  readonly analysisBudget: number | null;
  /** `null` until a model was called. */
  readonly spent: SpentState | null;
  readonly kernel: KernelState;
  readonly sandbox: SandboxReport | null;
  readonly datasets: readonly DatasetProfile[];
  /** The names of the databases that it may ask. */
  readonly connections: readonly string[];
  readonly runs: readonly RunState[];
  /** Cells that the user ran outside a run, by hand or again. */
  readonly userCells: readonly IterationState[];
  readonly notices: readonly NoticeState[];
  readonly charts: readonly ChartRecord[];
  readonly queue: readonly string[];
  /** What the user defined, and the states of the data that have a name. */
  readonly definitions: readonly Definition[];
  readonly states: readonly DataState[];
  /** What was fetched for it with the user's yes. */
  readonly packages: readonly PackageUsed[];
  readonly verification: VerificationState | null;
  readonly refresh: RefreshState | null;
  readonly branch: BranchState | null;
}

export const NO_USAGE: Usage = {
  input_tokens: 0,
  cached_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  calls: 0,
  failed_calls: 0,
  cost_usd: 0,
  partial_usd: 0
};

/** Return the privacy mode that an event says; journals of earlier versions say none. */
export function privacyOf(event: { readonly privacy?: PrivacyMode }): PrivacyMode {
  return event.privacy ?? 'full';
}

/** Return the packages that an event says; journals of earlier versions say none. */
export function packagesOf(event: {
  readonly packages?: readonly PackageUsed[];
}): readonly PackageUsed[] {
  return event.packages ?? [];
}

/** Return the package that waits; journals of earlier versions say none. */
export function offerOf(event: { readonly package?: PackageOffer | null }): PackageOffer | null {
  return event.package ?? null;
}

/** Return the databases that an event names; journals of earlier versions name none. */
export function connectionsOf(event: {
  readonly connections?: readonly string[];
}): readonly string[] {
  return event.connections ?? [];
}

/** Return an analysis before its first event. */
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
    privacy: 'full',
    analysisBudget: null,
    spent: null,
    kernel: { state: 'none', reason: '', versions: {} },
    sandbox: null,
    datasets: [],
    connections: [],
    runs: [],
    userCells: [],
    notices: [],
    charts: [],
    queue: [],
    definitions: [],
    states: [],
    packages: [],
    verification: null,
    refresh: null,
    branch: null
  };
}

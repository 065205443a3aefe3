// Generated from schema.json by `make codegen`; do not edit.

/** Any JSON value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | {[key: string]: JsonValue};

export type Event =
  | RunStarted
  | KernelChanged
  | DatasetProfiled
  | PlanUpdated
  | ModelCalled
  | TextStreamed
  | ThinkingStreamed
  | ToolInputStreamed
  | ModelRetried
  | ModelReplied
  | IterationStarted
  | OutputProduced
  | OutputsCleared
  | IterationFinished
  | ChartCaptured
  | FindingRecorded
  | NoticeRaised
  | UserAsked
  | UserAnswered
  | ApprovalRequested
  | ApprovalDecided
  | PlanApprovalRequested
  | PlanApproved
  | QueueChanged
  | DatasetDetached
  | AnalysisConfigured
  | VerificationStarted
  | CellVerified
  | VerificationFinished
  | BranchStarted
  | BranchAdvanced
  | BranchFinished
  | CellRanByHand
  | HandChangesNoticed
  | RunUndone
  | NumbersChecked
  | NotebookSaved
  | RunFinished;
export type Command =
  | AskQuestion
  | CancelRun
  | RunCode
  | AttachData
  | DetachData
  | AnswerQuestion
  | DecideApproval
  | DecidePlan
  | RunAgain
  | UnqueueQuestion
  | RetryModel
  | ChooseModel
  | ChooseApproval
  | ChooseBudget
  | VerifyAnalysis
  | UndoRun
  | SubscribeAnalysis
  | UnsubscribeAnalysis
  | ReportNotebook
  | ReportWrite
  | ReportDocument;
export type ServerFrame =
  | EventFrame
  | AcceptedFrame
  | RefusedFrame
  | CaughtUpFrame
  | AnalysisChangedFrame
  | AnalysisRemovedFrame
  | WriteNotebookFrame
  | ReadNotebookFrame
  | NotebookChangedFrame;

export interface Wire {
  event?: Event;
  command?: Command;
  server_frame?: ServerFrame;
  client_frame?: ClientFrame;
}
/**
 * A question was taken up. ``is_ai`` is false where no AI model is at work.
 */
export interface RunStarted {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'run_started';
  question: string;
  model: string;
  is_ai: boolean;
  limits: Limits;
}
/**
 * What a run may use. ``None`` is no limit.
 */
export interface Limits {
  iterations: number;
  repairs: number;
  cell_seconds: number;
  seconds: number | null;
  tokens: number | null;
  cost_usd: number | null;
}
/**
 * The analysis's kernel changed state. ``reason`` is a sentence for the person.
 */
export interface KernelChanged {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'kernel_changed';
  state: 'starting' | 'ready' | 'interrupted' | 'died' | 'restarted' | 'stopped';
  reason: string;
  ready_ms: number | null;
  versions: {
    [k: string]: string;
  };
  sandbox: SandboxReport | null;
}
/**
 * The isolation of one kernel, as probed.
 *
 * Attributes:
 *     level: What the results amount to.
 *     form: Which construction started it (``zygote``, ``bubblewrap``, ``landlock``...).
 *     sentence: What to tell the person, exactly.
 *     memory: How the memory limit is enforced, e.g. ``2 GiB per process, checked every 0.5 s``.
 *     probes: Each attempt.
 *     notes: What was missing on this machine for a higher level, and the remedy.
 */
export interface SandboxReport {
  level: 'isolated' | 'restricted' | 'limits' | 'none';
  form: string;
  sentence: string;
  memory: string;
  probes: ProbeResult[];
  notes: string[];
}
/**
 * One thing that the probe tried inside the kernel.
 *
 * Attributes:
 *     name: What was tried, e.g. ``tcp``, ``host-home``, ``signal-parent``.
 *     closed: Whether the attempt failed, as it should.
 *     expected: Whether this level promises that it fails.
 *     detail: What was observed.
 */
export interface ProbeResult {
  name: string;
  closed: boolean;
  expected: boolean;
  detail: string;
}
/**
 * A granted dataset was read and described.
 */
export interface DatasetProfiled {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'dataset_profiled';
  profile: DatasetProfile;
}
/**
 * A dataset with its columns, first rows and warnings; what the model is shown as text.
 *
 * Attributes:
 *     dataset: Which one.
 *     columns: In file order.
 *     head: First rows, each value as text, at most 5 (all where the table is tiny).
 *     sample: A few rows from elsewhere in the table.
 *     duplicate_rows: Exact duplicates; ``None`` where it was not counted.
 *     sampled: Whether statistics come from a sample; ``sample_note`` then says how it was taken.
 *     warnings: What spoils naive analysis.
 *     row_words: Words for one row of the table, from the dataset's own dictionary.
 */
export interface DatasetProfile {
  dataset: Dataset;
  columns: ColumnProfile[];
  head: (string | null)[][];
  sample: (string | null)[][];
  duplicate_rows: number | null;
  sampled: boolean;
  sample_note: string;
  warnings: DataWarning[];
  row_words: string[];
}
/**
 * A table that the person granted.
 *
 * Attributes:
 *     name: The variable (or DuckDB view) that the setup cell loads it into; a Python identifier.
 *     path: Absolute path of the file it comes from.
 *     format: How the file is read.
 *     bytes: Size of the file.
 *     rows: Row count, or ``None`` where it was not counted.
 *     columns: Column names in order.
 *     table: Sheet of a workbook, or table of a database file.
 *     options: What reading it needs, as found (``delimiter``, ``encoding``, ``decimal``...).
 *     load: ``frame`` when the setup cell loads it into memory, ``view`` when it stays on disk.
 */
export interface Dataset {
  name: string;
  path: string;
  format: 'csv' | 'tsv' | 'parquet' | 'json' | 'jsonl' | 'excel' | 'sqlite' | 'duckdb' | 'arrow';
  bytes: number;
  rows: number | null;
  columns: string[];
  table: string | null;
  options: {
    [k: string]: JsonValue;
  };
  load: 'frame' | 'view';
}
/**
 * One column of a table.
 *
 * Attributes:
 *     name: Exact name, blanks and all.
 *     dtype: The type the reader found (DuckDB's name for it).
 *     kind: The class of values.
 *     nulls: Rows without a value.
 *     distinct: Distinct values; an estimate where ``distinct_is_estimate``.
 *     minimum, p25, median, p75, maximum: Order statistics of numbers; dates fill the first and
 *         last as ISO text.
 *     mean, std: Of numbers; ``std`` is the sample standard deviation.
 *     zeros, negatives: Rows that are 0 or below 0.
 *     top: Most frequent values of text, bool and few-valued columns; all of them where
 *         ``distinct <= 30``, otherwise ten.
 *     max_length: Longest text in characters.
 *     share_number, share_date: Of text values, the share (0 to 1) that reads as a number or date.
 *     date_format: The strptime format of dates kept as text, where one was found.
 *     words: From the dataset's own dictionary, if it has one that names the column.
 */
export interface ColumnProfile {
  name: string;
  dtype: string;
  kind: 'number' | 'text' | 'date' | 'bool' | 'other';
  nulls: number;
  distinct: number;
  distinct_is_estimate: boolean;
  minimum: number | string | null;
  p25: number | null;
  median: number | null;
  p75: number | null;
  maximum: number | string | null;
  mean: number | null;
  std: number | null;
  zeros: number | null;
  negatives: number | null;
  top: ValueCount[];
  max_length: number | null;
  share_number: number | null;
  share_date: number | null;
  date_format: string | null;
  words: ColumnWords | null;
}
/**
 * One value (as text) and how many rows have it.
 */
export interface ValueCount {
  value: string;
  count: number;
}
/**
 * What a dictionary (``NAME.dictionary.json`` beside the dataset's file) says of a column.
 *
 * Attributes:
 *     label: How users call the column.
 *     unit: What its numbers are measured in.
 *     synonyms: Other names of the column.
 *     values: A word of a question -> the values that it stands for.
 */
export interface ColumnWords {
  label: string;
  unit: string;
  /**
   * @maxItems 50
   */
  synonyms: string[];
  values: {
    [k: string]: string[];
  };
}
/**
 * Something about a dataset that spoils naive analysis.
 *
 * Attributes:
 *     code: Stable kebab-case name, e.g. ``dates-as-text``, ``total-rows``, ``duplicate-keys``.
 *     message: One sentence with the evidence.
 *     column: The column it is about, where it is about one.
 *     values: The values it is about, as text: numbers that may stand for missing values
 *         (``sentinel``), or labels of rows that are totals of others (``total-rows``).
 */
export interface DataWarning {
  code: string;
  message: string;
  column: string | null;
  values: string[];
}
/**
 * The plan is now this.
 */
export interface PlanUpdated {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'plan_updated';
  steps: Step[];
  reason: string;
}
/**
 * One goal of a plan. ``number`` counts from 1.
 */
export interface Step {
  number: number;
  goal: string;
  status: 'todo' | 'doing' | 'done' | 'blocked';
}
/**
 * A request went to the model; ``call`` counts from 1 in the run.
 */
export interface ModelCalled {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'model_called';
  call: number;
}
/**
 * More of the model's prose.
 */
export interface TextStreamed {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'text_streamed';
  call: number;
  text: string;
}
/**
 * More of the model's thinking summary.
 */
export interface ThinkingStreamed {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'thinking_streamed';
  call: number;
  text: string;
}
/**
 * More of a tool call's input, as raw JSON text; for display only, never executed.
 */
export interface ToolInputStreamed {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'tool_input_streamed';
  call: number;
  tool: string;
  tool_call: string;
  text: string;
}
/**
 * The model failed, is asked again in ``wait`` seconds; what streamed of ``call`` is void.
 */
export interface ModelRetried {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'model_retried';
  call: number;
  attempt: number;
  of: number;
  wait: number;
  reason: string;
}
/**
 * A model call ended. ``usage`` is the run's total so far.
 */
export interface ModelReplied {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'model_replied';
  call: number;
  stop_reason: string;
  usage: Usage;
}
/**
 * Tokens of a run, as the provider counted them, and their price.
 *
 * Attributes:
 *     input_tokens: Not cached.
 *     cached_tokens: Read from the provider's prompt cache.
 *     cache_write_tokens: Written to it.
 *     output_tokens: Thinking included.
 *     calls: Answered model calls.
 *     cost_usd: US dollars; ``None`` where the price is not known, 0 for models without one.
 */
export interface Usage {
  input_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  calls: number;
  cost_usd: number | null;
}
/**
 * A cell was recorded and is about to run.
 */
export interface IterationStarted {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'iteration_started';
  iteration: number;
  cell: string;
  step: number | null;
  attempt: number;
  language: 'python' | 'sql';
  purpose: string;
  code: string;
}
/**
 * An output of a running cell.
 *
 * ``output`` stands at ``index``; where ``append`` is true it is a stream whose text continues the
 * one already there, otherwise it replaces or adds.
 */
export interface OutputProduced {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'output_produced';
  cell: string;
  index: number;
  output: StreamOutput | DisplayOutput | ResultOutput | ErrorOutput;
  append: boolean;
}
/**
 * Text written to stdout or stderr; consecutive writes to one stream are one output.
 */
export interface StreamOutput {
  output_type: 'stream';
  name: 'stdout' | 'stderr';
  text: string;
}
/**
 * A display bundle: MIME type to content (text, base64 for images, JSON).
 */
export interface DisplayOutput {
  output_type: 'display_data';
  data: {
    [k: string]: JsonValue;
  };
  metadata: {
    [k: string]: JsonValue;
  };
}
/**
 * The value of a cell's last expression.
 */
export interface ResultOutput {
  output_type: 'execute_result';
  data: {
    [k: string]: JsonValue;
  };
  metadata: {
    [k: string]: JsonValue;
  };
  execution_count: number | null;
}
/**
 * An exception that reached the top of the cell. ``traceback`` lines carry ANSI colours.
 */
export interface ErrorOutput {
  output_type: 'error';
  ename: string;
  evalue: string;
  traceback: string[];
}
/**
 * The running cell cleared its outputs.
 */
export interface OutputsCleared {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'outputs_cleared';
  cell: string;
}
/**
 * A cell ended; ``outputs`` are final, as saved, and replace what streamed.
 */
export interface IterationFinished {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'iteration_finished';
  iteration: number;
  cell: string;
  outcome: 'ok' | 'error' | 'timeout' | 'cancelled' | 'rejected';
  seconds: number;
  execution_count: number | null;
  outputs: (StreamOutput | DisplayOutput | ResultOutput | ErrorOutput)[];
  error: CellError | null;
  frames: Frame[];
}
/**
 * What went wrong in a cell, in one sentence and with its evidence.
 *
 * Attributes:
 *     name: Exception class (``KeyError``), or ``Timeout``, ``KernelDied``.
 *     message: The exception's own message.
 *     line: 1-based line of the cell that failed, where known.
 *     hint: What is likely meant (nearest column name and the like); may be empty.
 */
export interface CellError {
  name: string;
  message: string;
  line: number | null;
  hint: string;
}
/**
 * One variable that a cell left in the kernel.
 *
 * Attributes:
 *     name: The variable.
 *     type: Qualified class name, e.g. ``pandas.DataFrame``.
 *     shape: Rows and columns (or the array's shape); empty where it has none.
 *     columns: The table's columns, at most 200; empty for anything that is not a table.
 *     summary: One short line for values without a shape (``17.3``, ``list of 12``).
 */
export interface Frame {
  name: string;
  type: string;
  shape: number[];
  columns: FrameColumn[];
  summary: string;
}
/**
 * One column of a live table: its exact name and its dtype as the library prints it.
 */
export interface FrameColumn {
  name: string;
  dtype: string;
}
/**
 * A figure was captured. ``chart.png`` is left out here: it stands in the cell's output.
 */
export interface ChartCaptured {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'chart_captured';
  chart: ChartRecord;
}
/**
 * One captured figure.
 *
 * Attributes:
 *     id: Its id in the analysis.
 *     cell: The cell whose outputs hold it.
 *     output: Index of the output in that cell.
 *     iteration: The iteration that drew it.
 *     title: As drawn, or the iteration's purpose.
 *     alt: One sentence for a screen reader.
 *     data: Typed data (the bundle's chart MIME), or ``None`` where there is none.
 *     png: Base64 PNG, or ``None`` where the figure has no picture.
 */
export interface ChartRecord {
  id: string;
  cell: string;
  output: number;
  iteration: number;
  title: string;
  alt: string;
  data: {
    [k: string]: JsonValue;
  } | null;
  png: string | null;
}
/**
 * A statement was recorded with its proof.
 */
export interface FindingRecorded {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'finding_recorded';
  finding: Finding;
}
/**
 * One recorded statement with its values and the cells that prove it.
 */
export interface Finding {
  id: string;
  statement: string;
  values: Value[];
  cells: string[];
  caveats: string[];
}
/**
 * A number or text that an answer or finding rests on.
 */
export interface Value {
  label: string;
  value: number | string;
  unit: string;
}
/**
 * Something was cut, dropped, downgraded or is doubtful; ``message`` says it to the person.
 */
export interface NoticeRaised {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'notice_raised';
  level: 'info' | 'warning';
  code: string;
  message: string;
}
/**
 * The run waits for the person's answer; ``default`` is one of ``options``.
 */
export interface UserAsked {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'user_asked';
  ask: string;
  question: string;
  options: string[];
  default: string;
}
/**
 * The question was answered, by a person or by its default.
 */
export interface UserAnswered {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'user_answered';
  ask: string;
  answer: string;
  by: 'person' | 'default';
}
/**
 * A cell waits for the person's leave to run.
 */
export interface ApprovalRequested {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'approval_requested';
  ask: string;
  cell: string;
  code: string;
  purpose: string;
}
/**
 * The person decided about a waiting cell.
 */
export interface ApprovalDecided {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'approval_decided';
  ask: string;
  decision: 'run' | 'edit' | 'skip' | 'run_all';
}
/**
 * The plan waits for the person, who may edit it.
 */
export interface PlanApprovalRequested {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'plan_approval_requested';
  ask: string;
  steps: Step[];
}
/**
 * The person accepted the plan; ``edited`` where its goals were changed.
 */
export interface PlanApproved {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'plan_approved';
  ask: string;
  edited: boolean;
}
/**
 * Questions that wait their turn are now these.
 */
export interface QueueChanged {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'queue_changed';
  questions: string[];
}
/**
 * A dataset was taken back from the analysis.
 */
export interface DatasetDetached {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'dataset_detached';
  name: string;
}
/**
 * The analysis's title or settings are now these.
 */
export interface AnalysisConfigured {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'analysis_configured';
  title: string;
  notebook: string;
  model: string;
  is_ai: boolean;
  approval: 'automatic' | 'cells' | 'plan';
  budget_usd: number | null;
}
/**
 * The notebook runs again in a fresh kernel; ``cells`` is how many will be compared.
 */
export interface VerificationStarted {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'verification_started';
  cells: number;
}
/**
 * One cell was run again and compared; ``detail`` says what differs.
 */
export interface CellVerified {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'cell_verified';
  cell: string;
  verdict: 'reproduced' | 'differs' | 'error' | 'skipped';
  detail: string;
}
/**
 * The comparison ended; ``reproduced`` of ``total`` cells gave what is saved.
 *
 * ``stale`` where the result was noted earlier and the notebook's code is another one now.
 */
export interface VerificationFinished {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'verification_finished';
  reproduced: number;
  total: number;
  reason: string;
  stale: boolean;
}
/**
 * The analysis began from a cell of another one; the events before this one are its history.
 *
 * Attributes:
 *     parent, parent_title: The other analysis, and what it was called.
 *     cell: The last cell taken over.
 *     cells: How many cells make the state that the kernel is brought to now.
 */
export interface BranchStarted {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'branch_started';
  parent: string;
  parent_title: string;
  cell: string;
  cells: number;
}
/**
 * The state of one more cell is in the kernel; ``place`` counts them from 1.
 */
export interface BranchAdvanced {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'branch_advanced';
  cell: string;
  place: number;
  verdict: 'reproduced' | 'differs' | 'error' | 'skipped';
  detail: string;
}
/**
 * The kernel holds the state; ``reason`` says why not, where it does not.
 *
 * ``reproduced`` of ``total`` cells that could be compared gave what is saved.
 */
export interface BranchFinished {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'branch_finished';
  reproduced: number;
  total: number;
  reason: string;
}
/**
 * The person ran a cell of the analysis in the notebook itself; ``outputs`` are final.
 */
export interface CellRanByHand {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'cell_ran_by_hand';
  cell: string;
  code: string;
  outcome: 'ok' | 'error' | 'timeout' | 'cancelled' | 'rejected';
  seconds: number;
  execution_count: number | null;
  outputs: (StreamOutput | DisplayOutput | ResultOutput | ErrorOutput)[];
  error: CellError | null;
}
/**
 * What the person changed in the notebook since the last question; the model is told.
 */
export interface HandChangesNoticed {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'hand_changes_noticed';
  changes: HandChange[];
}
/**
 * What a person did to a cell in the notebook itself; ``code`` is the cell's text now.
 */
export interface HandChange {
  cell: string;
  change: 'edited' | 'added' | 'deleted' | 'ran';
  code: string;
}
/**
 * A run was undone: ``removed`` cells left the notebook, ``kept`` ones are the person's now.
 *
 * ``rolled_back`` says that the kernel is emptied and what is left runs again.
 */
export interface RunUndone {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'run_undone';
  removed: string[];
  kept: string[];
  rolled_back: boolean;
}
/**
 * The answer's numbers were looked up in the executed outputs.
 */
export interface NumbersChecked {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'numbers_checked';
  numbers: NumberProof[];
  corrected: boolean;
}
/**
 * One number of an answer: where it stands in the text, and the cell that proves it.
 *
 * Attributes:
 *     text: As written in the answer (``20.8``, ``33,442``, ``12 %``).
 *     start, end: Character offsets in the answer, end exclusive.
 *     cell: The cell whose output shows it; ``None`` means not verified.
 */
export interface NumberProof {
  text: string;
  start: number;
  end: number;
  cell: string | null;
}
/**
 * The notebook on disk holds everything up to here.
 */
export interface NotebookSaved {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'notebook_saved';
  path: string;
  cells: number;
}
/**
 * The run ended; the last event of a run, always.
 *
 * ``reason`` says why where ``status`` is not ``answered``. ``answer`` is the Markdown text;
 * ``details`` the same with assumptions, caveats, next questions and proofs. To a browser the
 * ``charts`` come without picture and data: it has them from their cells.
 */
export interface RunFinished {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'run_finished';
  status: 'answered' | 'incomplete' | 'failed' | 'cancelled';
  answer: string;
  reason: string;
  details: Answer | null;
  key_values: Value[];
  findings: Finding[];
  charts: ChartRecord[];
  notebook: string | null;
  iterations: IterationRecord[];
  usage: Usage;
  seconds: number;
}
/**
 * What a run says at its end.
 *
 * Attributes:
 *     text: Markdown; the first sentence answers the question.
 *     key_values: The numbers that matter, each with its unit.
 *     assumptions: Readings of the question that would change the answer.
 *     caveats: Problems of the data and of the method.
 *     next_questions: At most three.
 *     numbers: Every number in ``text``, proven or not.
 *     unfinished: Goals that the run did not reach.
 */
export interface Answer {
  text: string;
  key_values: Value[];
  assumptions: string[];
  caveats: string[];
  next_questions: string[];
  numbers: NumberProof[];
  unfinished: string[];
}
/**
 * One piece of code and how its execution ended; exactly one cell.
 */
export interface IterationRecord {
  iteration: number;
  cell: string;
  step: number | null;
  attempt: number;
  language: 'python' | 'sql';
  purpose: string;
  code: string;
  outcome: 'ok' | 'error' | 'timeout' | 'cancelled' | 'rejected';
  seconds: number;
  error: CellError | null;
}
/**
 * Ask; starts a run, or queues behind the one at work.
 */
export interface AskQuestion {
  analysis: string;
  type: 'ask_question';
  question: string;
  data?: string[];
  model?: string | null;
  limits?: LimitsInput | null;
}
/**
 * What a run may use. ``None`` is no limit.
 */
export interface LimitsInput {
  iterations?: number;
  repairs?: number;
  cell_seconds?: number;
  seconds?: number | null;
  tokens?: number | null;
  cost_usd?: number | null;
}
/**
 * Stop the run at work, interrupting the kernel.
 */
export interface CancelRun {
  analysis: string;
  type: 'cancel_run';
}
/**
 * Run the person's own code in the analysis's kernel, as a cell.
 */
export interface RunCode {
  analysis: string;
  type: 'run_code';
  code: string;
}
/**
 * Grant files or folders to the analysis.
 */
export interface AttachData {
  analysis: string;
  type: 'attach_data';
  /**
   * @minItems 1
   */
  paths: string[];
}
/**
 * Take a dataset back from the analysis, by its name.
 */
export interface DetachData {
  analysis: string;
  type: 'detach_data';
  name: string;
}
/**
 * Answer what the run asked.
 */
export interface AnswerQuestion {
  analysis: string;
  type: 'answer_question';
  ask: string;
  answer: string;
}
/**
 * Decide about a cell that waits; ``code`` replaces it where the decision is ``edit``.
 */
export interface DecideApproval {
  analysis: string;
  type: 'decide_approval';
  ask: string;
  decision: 'run' | 'edit' | 'skip' | 'run_all';
  code?: string | null;
}
/**
 * Accept the plan that waits, as it is or as edited (goals in order).
 */
export interface DecidePlan {
  analysis: string;
  type: 'decide_plan';
  ask: string;
  /**
   * @minItems 1
   * @maxItems 7
   */
  goals: string[];
}
/**
 * Run one iteration's cell again, or with ``cell`` null every cell of the analysis in order.
 */
export interface RunAgain {
  analysis: string;
  type: 'run_again';
  cell?: string | null;
}
/**
 * Take back a question that waits its turn; ``position`` counts from 0.
 */
export interface UnqueueQuestion {
  analysis: string;
  type: 'unqueue_question';
  position: number;
}
/**
 * Ask the model again now instead of waiting for the next try.
 */
export interface RetryModel {
  analysis: string;
  type: 'retry_model';
}
/**
 * Use another model from the next question on.
 */
export interface ChooseModel {
  analysis: string;
  type: 'choose_model';
  model: string;
}
/**
 * Choose what waits for the person's leave from now on.
 */
export interface ChooseApproval {
  analysis: string;
  type: 'choose_approval';
  mode: 'automatic' | 'cells' | 'plan';
}
/**
 * Limit what each further question may cost, US dollars; null is no limit.
 */
export interface ChooseBudget {
  analysis: string;
  type: 'choose_budget';
  cost_usd?: number | null;
}
/**
 * Run the whole notebook in a fresh kernel and compare.
 */
export interface VerifyAnalysis {
  analysis: string;
  type: 'verify_analysis';
}
/**
 * Take a whole run out of the notebook; with ``roll_back`` out of the kernel's state too.
 */
export interface UndoRun {
  analysis: string;
  type: 'undo_run';
  run: string;
  roll_back: boolean;
}
/**
 * Send this tab the events after number ``after``, then each new one.
 */
export interface SubscribeAnalysis {
  analysis: string;
  type: 'subscribe_analysis';
  after?: number;
}
/**
 * Send this tab no more events of the analysis.
 */
export interface UnsubscribeAnalysis {
  analysis: string;
  type: 'unsubscribe_analysis';
}
/**
 * Say how this tab has the notebook open: its lease, which makes it the notebook's writer.
 *
 * Sent when the notebook is opened, closed or renamed, when ``dirty`` or ``busy`` changes, on
 * focus, every 20 seconds, and at once after a reconnect.
 *
 * Attributes:
 *     tab: The tab's own random id; the same after a reconnect and a reload of its page.
 *     path: The file browser's path of the notebook.
 *     open: False: this tab has it open no more.
 *     dirty: Whether the tab holds what is not saved.
 *     busy: Whether a cell that the person started is at work.
 *     collaborative: Whether a live room synchronises it.
 *     active: Whether it is the tab's current document and the page has the focus.
 */
export interface ReportNotebook {
  analysis: string;
  type: 'report_notebook';
  tab: string;
  path: string;
  open: boolean;
  dirty: boolean;
  busy: boolean;
  collaborative: boolean;
  active: boolean;
}
/**
 * Say what became of a ``write_notebook``; ``unsaved`` is followed by ``saved`` once it is.
 *
 * Attributes:
 *     write: Its number.
 *     outcome: ``saved``: in the file; ``unsaved``: in the model, and lands with the next save;
 *         ``refused``: something was not as expected, nothing was changed.
 *     hash: Of the file after the save, where the contents service gives one.
 *     document: Where it was refused: the notebook as it stands in the tab.
 */
export interface ReportWrite {
  analysis: string;
  type: 'report_write';
  write: number;
  outcome: 'saved' | 'unsaved' | 'refused';
  hash?: string | null;
  document?: {
    [k: string]: JsonValue;
  } | null;
}
/**
 * Answer a ``read_notebook``: the notebook as it stands in the tab, saved or not.
 */
export interface ReportDocument {
  analysis: string;
  type: 'report_document';
  read: number;
  document: {
    [k: string]: JsonValue;
  };
  dirty: boolean;
}
/**
 * An event of an analysis that the tab subscribed to.
 */
export interface EventFrame {
  type: 'event';
  event:
    | RunStarted
    | KernelChanged
    | DatasetProfiled
    | PlanUpdated
    | ModelCalled
    | TextStreamed
    | ThinkingStreamed
    | ToolInputStreamed
    | ModelRetried
    | ModelReplied
    | IterationStarted
    | OutputProduced
    | OutputsCleared
    | IterationFinished
    | ChartCaptured
    | FindingRecorded
    | NoticeRaised
    | UserAsked
    | UserAnswered
    | ApprovalRequested
    | ApprovalDecided
    | PlanApprovalRequested
    | PlanApproved
    | QueueChanged
    | DatasetDetached
    | AnalysisConfigured
    | VerificationStarted
    | CellVerified
    | VerificationFinished
    | BranchStarted
    | BranchAdvanced
    | BranchFinished
    | CellRanByHand
    | HandChangesNoticed
    | RunUndone
    | NumbersChecked
    | NotebookSaved
    | RunFinished;
}
/**
 * The command was taken.
 */
export interface AcceptedFrame {
  type: 'accepted';
  id: number;
}
/**
 * The command was not taken; ``id`` is null where the frame could not be read at all.
 */
export interface RefusedFrame {
  type: 'refused';
  id: number | null;
  message: string;
  remedy: string;
}
/**
 * The replay asked for has reached the newest event.
 */
export interface CaughtUpFrame {
  type: 'caught_up';
  analysis: string;
  last: number;
}
/**
 * An analysis appeared or changed in the list.
 */
export interface AnalysisChangedFrame {
  type: 'analysis_changed';
  summary: AnalysisSummary;
}
/**
 * One analysis in a list.
 *
 * Attributes:
 *     id: Which one.
 *     title: As shown; made from the first question.
 *     notebook: Path below the server's root folder; ``None`` where it lies outside.
 *     notebook_path: Absolute path.
 *     created, updated: Seconds since the epoch.
 *     state: ``waiting`` is for the person; ``failed`` where the last run failed.
 *     model, is_ai: The model that the next question goes to.
 *     questions: How many were asked.
 *     last_event: Number of the newest event.
 *     parent: The analysis it branched from.
 *     parent_cell: The last cell that it took over from there.
 */
export interface AnalysisSummary {
  id: string;
  title: string;
  notebook: string | null;
  notebook_path: string;
  created: number;
  updated: number;
  state: 'idle' | 'running' | 'waiting' | 'failed';
  model: string;
  is_ai: boolean;
  questions: number;
  last_event: number;
  parent: string | null;
  parent_cell: string | null;
}
/**
 * An analysis is gone from the list.
 */
export interface AnalysisRemovedFrame {
  type: 'analysis_removed';
  analysis: string;
}
/**
 * Put these changes into the open notebook, all or none, as one undo step.
 *
 * Where anything is not as expected (a source, a cell that is there or not, the cell ``after``),
 * nothing is changed and the answer is ``refused`` with the whole document. Else the tab saves if
 * its notebook was clean before, and leaves it dirty otherwise. ``after`` may name a cell that an
 * earlier change of the same frame put.
 *
 * Attributes:
 *     analysis: Which one's notebook.
 *     path: As the tab reported it.
 *     write: Number of this write, to be answered by ``report_write``.
 *     changes: To be made in this order.
 */
export interface WriteNotebookFrame {
  type: 'write_notebook';
  analysis: string;
  path: string;
  write: number;
  changes: (PutCell | DropCell | PutMetadata)[];
}
/**
 * Put a cell: a new one, or in the place of the one with its id.
 *
 * Attributes:
 *     cell: The whole nbformat cell with id, metadata and outputs; never trusted.
 *     after: Id of the cell that it stands below when it is new; null: at the top. A cell that is
 *         there already keeps its place.
 *     at_end: It stood at the end when the write was made: when it is new it goes to the end,
 *         below what a person has put there meanwhile, so that what they type into stays in place.
 *     expects: The source that the cell has now; null: it is not there yet.
 */
export interface PutCell {
  change: 'put_cell';
  cell: {
    [k: string]: JsonValue;
  };
  after: string | null;
  at_end: boolean;
  expects: string | null;
}
/**
 * Remove a cell; ``expects`` is the source that it has now.
 */
export interface DropCell {
  change: 'remove_cell';
  cell: string;
  expects: string;
}
/**
 * Replace the notebook's ``metadata.analyst_kernel``.
 *
 * Attributes:
 *     values: All of it.
 *     defaults: Other notebook metadata (kernelspec...), to set where the key is missing.
 */
export interface PutMetadata {
  change: 'set_metadata';
  values: {
    [k: string]: JsonValue;
  };
  defaults: {
    [k: string]: JsonValue;
  };
}
/**
 * Answer with the notebook as it stands in the tab, by ``report_document``.
 */
export interface ReadNotebookFrame {
  type: 'read_notebook';
  analysis: string;
  path: string;
  read: number;
}
/**
 * The file was written by another way; a tab that has it open rebases before it saves.
 *
 * Attributes:
 *     analysis: Which one's notebook.
 *     path: The file browser's path.
 *     hash: Of the file now, as the contents service gives it; null where that is not known.
 */
export interface NotebookChangedFrame {
  type: 'notebook_changed';
  analysis: string;
  path: string;
  hash: string | null;
}
/**
 * A command from a browser tab; ``id`` is the tab's own count, echoed in the reply.
 */
export interface ClientFrame {
  id: number;
  command:
    | AskQuestion
    | CancelRun
    | RunCode
    | AttachData
    | DetachData
    | AnswerQuestion
    | DecideApproval
    | DecidePlan
    | RunAgain
    | UnqueueQuestion
    | RetryModel
    | ChooseModel
    | ChooseApproval
    | ChooseBudget
    | VerifyAnalysis
    | UndoRun
    | SubscribeAnalysis
    | UnsubscribeAnalysis
    | ReportNotebook
    | ReportWrite
    | ReportDocument;
}

/** The tag of every event there is. */
export const EVENT_TYPES = [
  'analysis_configured',
  'approval_decided',
  'approval_requested',
  'branch_advanced',
  'branch_finished',
  'branch_started',
  'cell_ran_by_hand',
  'cell_verified',
  'chart_captured',
  'dataset_detached',
  'dataset_profiled',
  'finding_recorded',
  'hand_changes_noticed',
  'iteration_finished',
  'iteration_started',
  'kernel_changed',
  'model_called',
  'model_replied',
  'model_retried',
  'notebook_saved',
  'notice_raised',
  'numbers_checked',
  'output_produced',
  'outputs_cleared',
  'plan_approval_requested',
  'plan_approved',
  'plan_updated',
  'queue_changed',
  'run_finished',
  'run_started',
  'run_undone',
  'text_streamed',
  'thinking_streamed',
  'tool_input_streamed',
  'user_answered',
  'user_asked',
  'verification_finished',
  'verification_started'
] as const satisfies readonly Event['type'][];

/** The tag of every command there is. */
export const COMMAND_TYPES = [
  'answer_question',
  'ask_question',
  'attach_data',
  'cancel_run',
  'choose_approval',
  'choose_budget',
  'choose_model',
  'decide_approval',
  'decide_plan',
  'detach_data',
  'report_document',
  'report_notebook',
  'report_write',
  'retry_model',
  'run_again',
  'run_code',
  'subscribe_analysis',
  'undo_run',
  'unqueue_question',
  'unsubscribe_analysis',
  'verify_analysis'
] as const satisfies readonly Command['type'][];

/** The tag of every frame from the server there is. */
export const SERVER_FRAME_TYPES = [
  'accepted',
  'analysis_changed',
  'analysis_removed',
  'caught_up',
  'event',
  'notebook_changed',
  'read_notebook',
  'refused',
  'write_notebook'
] as const satisfies readonly ServerFrame['type'][];

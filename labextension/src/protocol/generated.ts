// Generated from schema.json by `make codegen`; do not edit.

/** Any JSON value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | {[key: string]: JsonValue};

export type Event =
  | DataChangesNoticed
  | RefreshStarted
  | CellRefreshed
  | RefreshFinished
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
  | UsageCounted
  | IterationStarted
  | OutputProduced
  | OutputsCleared
  | IterationFinished
  | ChartCaptured
  | FindingRecorded
  | DefinitionRecorded
  | StateNamed
  | LedgerChanged
  | NoticeRaised
  | UserAsked
  | UserAnswered
  | ApprovalRequested
  | ApprovalDecided
  | PlanApprovalRequested
  | PlanApproved
  | QueueChanged
  | DatasetDetached
  | ReadingChanged
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
  | AttachConnection
  | DetachConnection
  | ChooseReading
  | RemovePackage
  | AnswerQuestion
  | DecideApproval
  | DecidePlan
  | RunAgain
  | UnqueueQuestion
  | RetryModel
  | ChooseModel
  | ChooseApproval
  | ChooseBudget
  | ChoosePrivacy
  | SwitchInstructions
  | VerifyAnalysis
  | CheckFreshness
  | RefreshAnalysis
  | UndoRun
  | AddDefinition
  | EditDefinition
  | RemoveDefinition
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
 * Datasets are other ones than those that answers rest on; the event has all such changes.
 */
export interface DataChangesNoticed {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'data_changes_noticed';
  changes: DataChange[];
}
/**
 * A dataset that is another one than when questions were answered from it.
 *
 * Attributes:
 *     dataset: Its name.
 *     sentence: What happened to it.
 *     runs: The questions whose answers rest on it.
 */
export interface DataChange {
  dataset: string;
  sentence: string;
  runs: string[];
}
/**
 * The analysis began to run again on the data as they are now; ``cells`` will run.
 */
export interface RefreshStarted {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'refresh_started';
  cells: number;
}
/**
 * One cell of a refresh ran; ``place`` counts from 1, ``failure`` says why it failed.
 */
export interface CellRefreshed {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'cell_refreshed';
  cell: string;
  place: number;
  failure: string;
}
/**
 * The refresh ended; ``reason`` says why it has no result, and then nothing changed.
 *
 * ``problems`` are sentences about what no longer fits the data.
 */
export interface RefreshFinished {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'refresh_finished';
  answers: AnswerOutcome[];
  problems: string[];
  reason: string;
}
/**
 * What computing an answer again shows; the answer itself stays as it was given.
 *
 * Attributes:
 *     run: The question.
 *     question: As it was asked.
 *     numbers: Each number of the answer, in order.
 *     turned: What the answer says that no longer holds, a sentence each.
 *     summary: All of it in one sentence.
 */
export interface AnswerOutcome {
  run: string;
  question: string;
  numbers: NumberMove[];
  turned: string[];
  summary: string;
}
/**
 * One number of an answer, computed again.
 *
 * Attributes:
 *     text: As written in the answer.
 *     start, end: Character offsets in the answer, end exclusive.
 *     cell: The cell that shows it; null if none ever did.
 *     state: What became of it.
 *     before, after: The values that the cell showed and shows now, in the unit of the text and
 *         with its sense: what "fell by 3.2" says is −1.5 after a rise.
 *     now: The number as the answer would write it now; empty if it cannot be computed.
 *     change: ``after`` less ``before``.
 *     percent: The change in percent of ``before``; null if that is zero.
 *     reason: Why it cannot be computed, in a sentence.
 */
export interface NumberMove {
  text: string;
  start: number;
  end: number;
  cell: string | null;
  state: 'moved' | 'same' | 'gone' | 'unproven';
  before: number | null;
  after: number | null;
  now: string;
  change: number | null;
  percent: number | null;
  reason: string;
}
/**
 * The run of a question began. ``is_ai`` is false if no AI model is at work.
 *
 * Attributes:
 *     privacy: What of the data the model may see.
 *     instructions: The files with rules that go with the question.
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
  privacy: 'full' | 'no-values' | 'schema-only';
  instructions: InstructionsUsed[];
}
/**
 * What a run may use; null means no limit.
 *
 * Attributes:
 *     iterations: Cells.
 *     repairs: Cells that repair another one, within a step.
 *     cell_seconds: Of one cell.
 *     seconds: Of the run, without the time that it waits for the user.
 *     tokens: Of all model calls of the run, in and out, cached ones included.
 *     cost_usd: US dollars of the run.
 *     analysis_usd: US dollars of the whole analysis, earlier runs included.
 *     day_usd: US dollars of all the user's analyses on one day, by the local calendar.
 */
export interface Limits {
  iterations: number;
  repairs: number;
  cell_seconds: number;
  seconds: number | null;
  tokens: number | null;
  cost_usd: number | null;
  analysis_usd: number | null;
  day_usd: number | null;
}
/**
 * The instructions that an answer was made under: where from, and exactly which text.
 *
 * Attributes:
 *     digest: SHA-256 of the file, hexadecimal.
 */
export interface InstructionsUsed {
  place: 'user' | 'project' | 'given';
  path: string;
  digest: string;
}
/**
 * The analysis's kernel changed state. ``reason`` is a sentence for the user.
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
 *     level: The level that the results add up to.
 *     form: The backend that started the kernel (``zygote``, ``bubblewrap``, ``landlock``...).
 *     sentence: The exact sentence for the user.
 *     memory: How the memory limit is enforced, e.g. ``2 GiB per process, checked every 0.5 s``.
 *     memory_bytes: The memory that there is, by that limit or by the machine; 0 if not known.
 *     probes: Each attempt.
 *     notes: What this machine lacks for a higher level, and the remedy.
 */
export interface SandboxReport {
  level: 'isolated' | 'restricted' | 'limits' | 'none';
  form: string;
  sentence: string;
  memory: string;
  memory_bytes: number;
  probes: ProbeResult[];
  notes: string[];
}
/**
 * One attempt of the probe inside the kernel.
 *
 * Attributes:
 *     name: What was tried, e.g. ``tcp``, ``host-home``, ``signal-parent``.
 *     closed: Whether the attempt failed, as it should.
 *     expected: Whether this level promises that the attempt fails.
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
 * A dataset with its columns, first rows and warnings; the model gets it as text.
 *
 * Attributes:
 *     dataset: The dataset.
 *     columns: In file order.
 *     head: First rows, each value as text, at most 5 (all rows of a tiny table).
 *     sample: A few rows from elsewhere in the table.
 *     duplicate_rows: Exact duplicates, or null if they were not counted.
 *     sampled: Whether statistics come from a sample; ``sample_note`` says how it was taken.
 *     warnings: Properties that make a naive analysis wrong.
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
 * A table that the user granted.
 *
 * Attributes:
 *     name: The variable (or DuckDB view) that the setup cell loads it into; a Python identifier.
 *     path: Absolute path of the file, or of the folder of a table in folders (``year=2024``).
 *     address: Where the file was fetched from, such as ``s3://bucket/file.csv``; empty for a
 *         file of this machine.
 *     format: How the file is read.
 *     bytes: Size of the file, or of all of its files.
 *     rows: Row count, or null if it was not counted.
 *     columns: Column names in order.
 *     table: Sheet of a workbook, or table of a database file.
 *     options: Options for reading, as detected (``delimiter``, ``encoding``, ``decimal``...).
 *     load: ``frame`` if the setup cell loads it into memory, ``view`` if it stays on disk.
 *     choices: What was chosen when it was read, by us or by the user.
 */
export interface Dataset {
  name: string;
  path: string;
  format:
    | 'csv'
    | 'tsv'
    | 'parquet'
    | 'json'
    | 'jsonl'
    | 'excel'
    | 'sqlite'
    | 'duckdb'
    | 'arrow'
    | 'stata'
    | 'spss'
    | 'sas';
  bytes: number;
  rows: number | null;
  columns: string[];
  table: string | null;
  options: {
    [k: string]: JsonValue;
  };
  load: 'frame' | 'view';
  choices: ReadingChoice[];
  address: string;
}
/**
 * How one thing of a table is read, and how it may be read otherwise.
 *
 * Attributes:
 *     key: What is chosen: a kind, and behind a dot what it is about (``header``,
 *         ``dates.order_date``, ``rows.total``, ``word.NA``, ``gap.amount``).
 *         The user may change those that have a value.
 *     value: What holds now; empty if nothing can be chosen.
 *     values: What else it may be; empty if any text may be tried.
 *     sentence: The assumption that it makes, without the table's name; empty if it is none.
 *     column: The column that it is about.
 *     touches: Where it matters: in every row of the table, in some columns, or in no result.
 *     columns: Those columns.
 *     by_user: Whether the user chose it.
 */
export interface ReadingChoice {
  key: string;
  value: string;
  values: string[];
  sentence: string;
  column: string | null;
  touches: 'rows' | 'columns' | 'nothing';
  columns: string[];
  by_user: boolean;
}
/**
 * One column of a table.
 *
 * Attributes:
 *     name: Exact name, blanks and all.
 *     dtype: The type the reader found (DuckDB's name for it).
 *     kind: The class of values.
 *     nulls: Rows without a value.
 *     distinct: Distinct values; an estimate if ``distinct_is_estimate``.
 *     minimum, p25, median, p75, maximum: Order statistics of numbers; dates fill the first and
 *         last as ISO text.
 *     mean, std: Of numbers; ``std`` is the sample standard deviation.
 *     zeros, negatives: Rows that are 0 or below 0.
 *     top: Most frequent values of text, bool and few-valued columns; all of them if
 *         ``distinct <= 30``, otherwise ten.
 *     max_length: Longest text in characters.
 *     share_number, share_date: The share (0 to 1) of text values that are a number or a date.
 *     date_format: The strptime format of dates kept as text, if one was found.
 *     words: From a dictionary, if there is one that names the column.
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
 * What a dictionary says of a column.
 *
 * It is ``NAME.dictionary.json`` beside the dataset's file, or a table that describes columns.
 *
 * Attributes:
 *     label: How users call the column.
 *     unit: What its numbers are measured in.
 *     synonyms: Other names of the column.
 *     values: A word of a question -> the values that it stands for.
 *     description: What the column holds, in a sentence or two.
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
  description: string;
}
/**
 * A property of a dataset that makes a naive analysis wrong.
 *
 * Attributes:
 *     code: Stable kebab-case name, e.g. ``dates-as-text``, ``total-rows``, ``duplicate-keys``.
 *     message: One sentence with the evidence.
 *     column: The column, if the warning is about one.
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
 * The plan was made or changed; ``steps`` is the whole plan.
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
 * One goal of a plan.
 *
 * Attributes:
 *     number: Counts from 1.
 *     cells: The cells that ran for it, failed ones too.
 */
export interface Step {
  number: number;
  goal: string;
  status: 'todo' | 'doing' | 'done' | 'blocked' | 'failed' | 'skipped';
  cells: CellLabel[];
}
/**
 * A cell by its number, which counts the agent's cells over the whole analysis from 1.
 */
export interface CellLabel {
  number: number;
  cell: string;
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
 * The model's prose continued.
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
 * The model's thinking summary continued.
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
 * A tool call's input continued, as raw JSON text; for display only, never executed.
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
 * The model failed and is asked again in ``wait`` seconds; what ``call`` streamed is void.
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
 *     input_tokens: Input that was not cached.
 *     cached_tokens: Input read from the provider's prompt cache.
 *     cache_write_tokens: Input written to the provider's prompt cache.
 *     output_tokens: Output, thinking included.
 *     calls: Model calls that were answered.
 *     failed_calls: Model calls that failed, broke off or were cancelled; what is known of their
 *         tokens is counted.
 *     cost_usd: US dollars; null if the price is not known, 0 for models that cost nothing.
 *     partial_usd: If ``cost_usd`` is null, the US dollars of those parts whose price is known: it
 *         cost at least so much. Else 0.
 */
export interface Usage {
  input_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  calls: number;
  failed_calls: number;
  cost_usd: number | null;
  partial_usd: number;
}
/**
 * A model call ended, well or not, and was counted.
 *
 * Attributes:
 *     usage: Of the run so far.
 *     analysis_usage: Of the analysis so far.
 *     day_usage: Of all the user's analyses on ``day``.
 *     day: The local calendar day, as ``2026-11-29``.
 */
export interface UsageCounted {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'usage_counted';
  usage: Usage;
  analysis_usage: Usage;
  day_usage: Usage;
  day: string;
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
 * A running cell produced an output at ``index``.
 *
 * If ``append`` is true, the output is a stream whose text continues the one at ``index``.
 * Otherwise the output replaces the one at ``index``, or is added.
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
 *
 * ``lineage`` says in one line where the tables that it made come from, and ``hints`` what in it
 * should be looked at twice.
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
  lineage: string;
  hints: LineageHint[];
}
/**
 * The error that ended a cell.
 *
 * Attributes:
 *     name: Exception class (``KeyError``), or ``Timeout``, ``KernelDied``.
 *     message: The exception's own message.
 *     line: 1-based line of the cell that failed, if it is known.
 *     hint: What was probably meant, such as the nearest column name; may be empty.
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
 *     name: The variable's name.
 *     type: Qualified class name, e.g. ``pandas.DataFrame``.
 *     shape: Rows and columns, or the array's shape; empty for other values.
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
 * Something in a cell that ran which should be looked at twice.
 *
 * Attributes:
 *     code: Stable kebab-case name of the matter, e.g. ``join-multiplies-rows``.
 *     message: The facts: which tables, rows before and after, columns, values.
 *     advice: What to check.
 */
export interface LineageHint {
  code: string;
  message: string;
  advice: string;
}
/**
 * A figure was captured. ``chart.png`` is null here; the picture is in the cell's output.
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
 *     iteration: The number of the cell that drew it; 0 for a cell of the user.
 *     title: As drawn, or the iteration's purpose.
 *     alt: One sentence for a screen reader.
 *     data: Typed data (the bundle's chart MIME type), or null if it has none.
 *     png: Base64 PNG, or null if the figure has no picture.
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
 * A definition of the user was recorded; it holds for every later question.
 */
export interface DefinitionRecorded {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'definition_recorded';
  definition: Definition;
}
/**
 * What the user said of the data or of a word, for every later question of the analysis.
 *
 * Attributes:
 *     id: Its id in the analysis.
 *     text: What holds, in one sentence.
 *     quote: The user's own words that it rests on; empty if the user wrote the ``text``.
 *     by: ``choice`` if the user chose it on a question card.
 *     run: The question in which it was recorded; null if the user wrote it outside a question.
 *     active: Whether it holds for the next question.
 *     ended: The question in which another definition took its place, or that withdrew it.
 *     replaces: The definition whose place it took.
 *     claimed: Whether only the notebook says that the user said so, which anybody may have
 *         written.
 */
export interface Definition {
  id: string;
  text: string;
  quote: string;
  by: 'user' | 'choice';
  run: string | null;
  active: boolean;
  ended: string | null;
  replaces: string | null;
  claimed: boolean;
}
/**
 * A state of the data got a name, or was returned to (``state.named`` is an earlier run).
 */
export interface StateNamed {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'state_named';
  state: DataState;
}
/**
 * A named state of the data: a variable as it was when it got the name.
 *
 * Attributes:
 *     name: As questions refer to it (``orders without refunds``).
 *     definition: What was done to the data, in words.
 *     variable: The variable that held it, or that holds it again.
 *     cells: The cells that make it, in order, those that load the data included.
 *     rows: Number of rows; null if it is no table.
 *     columns: Of a table, at most 200.
 *     content: A digest of the values, by which a change is noticed; empty if none can be made.
 *     run: The question in which it was named, or was returned to last.
 *     named: The question in which it was named first.
 *     claimed: Whether only the notebook says so.
 */
export interface DataState {
  name: string;
  definition: string;
  variable: string;
  cells: string[];
  rows: number | null;
  columns: string[];
  content: string;
  run: string | null;
  named: string | null;
  claimed: boolean;
}
/**
 * The definitions or the named states changed; the event has all of them.
 *
 * It also comes when an analysis is opened that has some.
 */
export interface LedgerChanged {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'ledger_changed';
  definitions: Definition[];
  states: DataState[];
}
/**
 * Something was cut, dropped, downgraded or is doubtful; ``message`` is for the user.
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
 * The run waits for the user's answer; ``default`` is one of ``options``.
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
 * The question was answered, by a user or by its default.
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
 * A cell waits for the user's approval, or ``package``, which it needs, does.
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
  package: PackageOffer | null;
}
/**
 * A package that is not installed and could be fetched.
 *
 * Attributes:
 *     module: The name in the import; empty if it is not known.
 *     name: Of the distribution, exactly as the index writes it.
 *     indexes: The addresses that were asked, without credentials.
 *     wheels: Its own, then those of the packages that it brings.
 *     known: Whether the name is one of those known here.
 *     alike: A known name that this may be a misspelling of; empty if there is none.
 */
export interface PackageOffer {
  module: string;
  name: string;
  version: string;
  indexes: string[];
  wheels: PackageWheel[];
  known: boolean;
  alike: string;
}
/**
 * One wheel of a package, before it is fetched.
 *
 * Attributes:
 *     bytes: To download; null if its host does not say.
 *     host: Which machine has the file.
 */
export interface PackageWheel {
  name: string;
  version: string;
  sha256: string;
  file: string;
  host: string;
  bytes: number | null;
}
/**
 * The user decided about a waiting cell or package.
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
 * The plan waits for the user, who may edit it.
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
 * The user accepted the plan; ``edited`` is true if they changed its goals.
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
 * The queue of questions changed; ``questions`` is the whole queue.
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
 * A dataset was detached from the analysis.
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
 * The user has a dataset read otherwise; ``runs`` have answers that rest on the earlier way.
 */
export interface ReadingChanged {
  analysis: string;
  run: string | null;
  number: number;
  at: number;
  type: 'reading_changed';
  dataset: string;
  sentence: string;
  runs: string[];
}
/**
 * The analysis's title or settings changed; the event has all of them.
 *
 * Attributes:
 *     privacy: What of the data the model may see at the next question.
 *     budget_usd: US dollars that each further question may cost.
 *     analysis_budget_usd: US dollars that the whole analysis may cost.
 *     connections: The names of the databases that it may ask.
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
  privacy: 'full' | 'no-values' | 'schema-only';
  analysis_budget_usd: number | null;
  packages: PackageUsed[];
  connections: string[];
}
/**
 * A package that was fetched for an analysis, as its notebook notes it.
 *
 * Attributes:
 *     index: The first address that was asked, without credentials.
 *     brought_by: The packages that the user said yes to and that need it, itself included.
 */
export interface PackageUsed {
  name: string;
  version: string;
  sha256: string;
  file: string;
  index: string;
  brought_by: string[];
}
/**
 * The notebook began to run again in a fresh kernel; ``cells`` will be compared.
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
 * The comparison ended; ``reproduced`` of ``total`` cells gave the saved outputs.
 *
 * ``stale`` is true for an earlier result if the notebook's code has changed since.
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
 * The analysis branched from a cell of another one, whose history precedes this event.
 *
 * Attributes:
 *     parent, parent_title: The other analysis, and its title then.
 *     cell: The last cell of the other analysis that is part of the branch.
 *     cells: How many cells run now to restore the kernel's state.
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
 * One more cell of a branch ran in the kernel; ``place`` counts them from 1.
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
 * The kernel of a branch holds the notebook's state, or ``reason`` says why it does not.
 *
 * ``reproduced`` of the ``total`` cells that could be compared gave the saved outputs.
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
 * The user ran a cell of the analysis in the notebook itself; ``outputs`` are final.
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
 * The user changed cells in the notebook since the last question; the model gets this too.
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
 * A change that the user made to a cell in the notebook; ``code`` is its source now.
 */
export interface HandChange {
  cell: string;
  change: 'edited' | 'added' | 'deleted' | 'ran';
  code: string;
}
/**
 * A run was undone; its cells were removed, except the ``kept`` ones, which the user edited.
 *
 * If ``rolled_back`` is true, the kernel is emptied and the remaining cells run again.
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
 * One number of an answer: its place in the text, and the cell that proves it.
 *
 * Attributes:
 *     text: As written in the answer (``20.8``, ``33,442``, ``12 %``).
 *     start, end: Character offsets in the answer, end exclusive.
 *     cell: The cell whose output shows the number; null if it is not verified.
 *     derivation: How it follows from what is shown (``33,442 − 33,384``); empty if it is shown
 *         itself.
 *     nearest: For a number that is not verified, the nearest shown value, in words.
 *     nearest_cell: The cell that shows that.
 */
export interface NumberProof {
  text: string;
  start: number;
  end: number;
  cell: string | null;
  derivation: string;
  nearest: string;
  nearest_cell: string | null;
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
 * ``reason`` says why unless ``status`` is ``answered``. ``answer`` is the Markdown text, and
 * ``details`` the same with assumptions, caveats, next questions and proofs. A browser gets the
 * ``charts`` without picture and data, because it has both from the charts' cells.
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
 * The answer of a run.
 *
 * Attributes:
 *     text: Markdown; the first sentence answers the question.
 *     key_values: The numbers that matter, each with its unit.
 *     assumptions: Interpretations of the question that would change the answer.
 *     caveats: Problems of the data and of the method.
 *     next_questions: At most three.
 *     numbers: Every number in ``text``, proven or not.
 *     unfinished: Goals that the run did not reach.
 *     cells: The cells that the texts cite by number.
 */
export interface Answer {
  text: string;
  key_values: Value[];
  assumptions: string[];
  caveats: string[];
  next_questions: string[];
  numbers: NumberProof[];
  unfinished: string[];
  cells: CellLabel[];
}
/**
 * One cell that the agent ran, and how its execution ended.
 *
 * Attributes:
 *     iteration: The cell's number in the analysis, from 1.
 *     lineage: Where the tables that it made come from, in one line.
 *     hints: What in it should be looked at twice.
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
  lineage: string;
  hints: LineageHint[];
}
/**
 * Ask a question; it starts a run, or waits in the queue behind the current one.
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
 * What a run may use; null means no limit.
 *
 * Attributes:
 *     iterations: Cells.
 *     repairs: Cells that repair another one, within a step.
 *     cell_seconds: Of one cell.
 *     seconds: Of the run, without the time that it waits for the user.
 *     tokens: Of all model calls of the run, in and out, cached ones included.
 *     cost_usd: US dollars of the run.
 *     analysis_usd: US dollars of the whole analysis, earlier runs included.
 *     day_usd: US dollars of all the user's analyses on one day, by the local calendar.
 */
export interface LimitsInput {
  iterations?: number;
  repairs?: number;
  cell_seconds?: number;
  seconds?: number | null;
  tokens?: number | null;
  cost_usd?: number | null;
  analysis_usd?: number | null;
  day_usd?: number | null;
}
/**
 * Cancel the current run and interrupt the kernel.
 */
export interface CancelRun {
  analysis: string;
  type: 'cancel_run';
}
/**
 * Run the user's own code in the analysis's kernel, as a cell.
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
 * Detach a dataset from the analysis, by its name.
 */
export interface DetachData {
  analysis: string;
  type: 'detach_data';
  name: string;
}
/**
 * Let the analysis ask a database of the user's list, by the connection's name.
 */
export interface AttachConnection {
  analysis: string;
  type: 'attach_connection';
  name: string;
}
/**
 * Take a database back from the analysis; the user's list keeps the connection.
 */
export interface DetachConnection {
  analysis: string;
  type: 'detach_connection';
  name: string;
}
/**
 * Have a dataset read as the user says, or by itself again if ``value`` is empty.
 *
 * Attributes:
 *     name: The dataset.
 *     key: What is chosen, as in the dataset's ``choices``.
 *     value: What is to hold.
 */
export interface ChooseReading {
  analysis: string;
  type: 'choose_reading';
  name: string;
  key: string;
  value: string;
}
/**
 * Take a package that was fetched for the analysis away from it, by its name.
 */
export interface RemovePackage {
  analysis: string;
  type: 'remove_package';
  name: string;
}
/**
 * Answer a question of the run.
 */
export interface AnswerQuestion {
  analysis: string;
  type: 'answer_question';
  ask: string;
  answer: string;
}
/**
 * Decide about a cell or a package that waits; ``skip`` is the No to a package.
 *
 * With the decision ``edit``, ``code`` replaces the source of a cell.
 */
export interface DecideApproval {
  analysis: string;
  type: 'decide_approval';
  ask: string;
  decision: 'run' | 'edit' | 'skip' | 'run_all';
  code?: string | null;
}
/**
 * Accept the plan that waits, as it is or edited; ``goals`` are in order.
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
 * Run one iteration's cell again, or every cell in order if ``cell`` is null.
 */
export interface RunAgain {
  analysis: string;
  type: 'run_again';
  cell?: string | null;
}
/**
 * Withdraw a question from the queue; ``position`` counts from 0.
 */
export interface UnqueueQuestion {
  analysis: string;
  type: 'unqueue_question';
  position: number;
}
/**
 * Ask the model again now instead of waiting for the next attempt.
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
 * Choose what waits for the user's approval from now on.
 */
export interface ChooseApproval {
  analysis: string;
  type: 'choose_approval';
  mode: 'automatic' | 'cells' | 'plan';
}
/**
 * Limit what further questions may cost, in US dollars; null means no limit.
 *
 * Attributes:
 *     cost_usd: Of each question.
 *     analysis_usd: Of the whole analysis, earlier questions included.
 */
export interface ChooseBudget {
  analysis: string;
  type: 'choose_budget';
  cost_usd?: number | null;
  analysis_usd?: number | null;
}
/**
 * Choose what of the data the model may see.
 *
 * A stricter mode holds at once; a less strict one holds from the next question on, and is refused
 * unless it is ``confirmed``.
 */
export interface ChoosePrivacy {
  analysis: string;
  type: 'choose_privacy';
  mode: 'full' | 'no-values' | 'schema-only';
  confirmed?: boolean;
}
/**
 * Have the instructions of a file hold or not, in this analysis.
 *
 * ``digest`` is that of the text which the user was shown; another text is not switched on.
 */
export interface SwitchInstructions {
  analysis: string;
  type: 'switch_instructions';
  place: 'user' | 'project';
  digest: string;
  on: boolean;
}
/**
 * Run the whole notebook in a fresh kernel and compare the outputs.
 */
export interface VerifyAnalysis {
  analysis: string;
  type: 'verify_analysis';
}
/**
 * Look whether data changed since it was answered from; object stores are not asked.
 */
export interface CheckFreshness {
  analysis: string;
  type: 'check_freshness';
}
/**
 * Compute every answer again on the data as they are now, and compare.
 */
export interface RefreshAnalysis {
  analysis: string;
  type: 'refresh_analysis';
}
/**
 * Remove a whole run from the notebook; with ``roll_back`` also from the kernel's state.
 */
export interface UndoRun {
  analysis: string;
  type: 'undo_run';
  run: string;
  roll_back: boolean;
}
/**
 * Add a definition that holds from the next question on.
 */
export interface AddDefinition {
  analysis: string;
  type: 'add_definition';
  text: string;
}
/**
 * Change what a definition says, or whether it holds from the next question on.
 */
export interface EditDefinition {
  analysis: string;
  type: 'edit_definition';
  definition: string;
  text: string;
  active: boolean;
}
/**
 * Remove a definition for good.
 */
export interface RemoveDefinition {
  analysis: string;
  type: 'remove_definition';
  definition: string;
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
 * Stop sending this tab the events of the analysis.
 */
export interface UnsubscribeAnalysis {
  analysis: string;
  type: 'unsubscribe_analysis';
}
/**
 * Report how this tab has the notebook open: a lease, which makes the tab its writer.
 *
 * Sent when the notebook is opened, closed or renamed, when ``dirty`` or ``busy`` changes, on
 * focus, every 20 seconds, and at once after a reconnect.
 *
 * Attributes:
 *     tab: The tab's random id, which stays the same after a reconnect or a reload of the page.
 *     path: The notebook's path in the file browser.
 *     open: Whether this tab has the notebook open; false ends the lease.
 *     dirty: Whether the tab has unsaved changes.
 *     busy: Whether a cell that the user started is running.
 *     collaborative: Whether a live room synchronises the notebook.
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
 * Report the outcome of a ``write_notebook``.
 *
 * ``unsaved`` is followed by ``saved`` as soon as the notebook is saved.
 *
 * Attributes:
 *     write: The number of the write.
 *     outcome: ``saved`` if the changes are in the file, ``unsaved`` if they are in the tab's
 *         model until the next save, ``refused`` if something was not as expected and nothing was
 *         changed.
 *     hash: The file's hash after the save, if the contents service gives one.
 *     document: The notebook as it is in the tab, if the write was refused.
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
 * Answer a ``read_notebook`` with the notebook as it is in the tab, saved or not.
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
 * An event of an analysis to which the tab has subscribed.
 */
export interface EventFrame {
  type: 'event';
  event:
    | DataChangesNoticed
    | RefreshStarted
    | CellRefreshed
    | RefreshFinished
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
    | UsageCounted
    | IterationStarted
    | OutputProduced
    | OutputsCleared
    | IterationFinished
    | ChartCaptured
    | FindingRecorded
    | DefinitionRecorded
    | StateNamed
    | LedgerChanged
    | NoticeRaised
    | UserAsked
    | UserAnswered
    | ApprovalRequested
    | ApprovalDecided
    | PlanApprovalRequested
    | PlanApproved
    | QueueChanged
    | DatasetDetached
    | ReadingChanged
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
 * The command was accepted.
 */
export interface AcceptedFrame {
  type: 'accepted';
  id: number;
}
/**
 * The command was refused; ``id`` is null if the frame could not be read at all.
 */
export interface RefusedFrame {
  type: 'refused';
  id: number | null;
  message: string;
  remedy: string;
}
/**
 * The replay of past events has reached the newest event.
 */
export interface CaughtUpFrame {
  type: 'caught_up';
  analysis: string;
  last: number;
}
/**
 * An analysis was added to the list, or changed.
 */
export interface AnalysisChangedFrame {
  type: 'analysis_changed';
  summary: AnalysisSummary;
}
/**
 * One analysis in a list.
 *
 * Attributes:
 *     id: The analysis's id.
 *     title: As shown; made from the first question.
 *     notebook: Path below the server's root folder, or null if it is outside.
 *     notebook_path: Absolute path.
 *     created, updated: Seconds since the epoch.
 *     state: ``waiting`` means for the user; ``failed`` means that the last run failed.
 *     model, is_ai: The model of the next question.
 *     questions: How many were asked.
 *     last_event: Number of the newest event.
 *     parent: The analysis that it branched from.
 *     parent_cell: The last cell of the parent that is part of the branch.
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
 * An analysis was removed from the list.
 */
export interface AnalysisRemovedFrame {
  type: 'analysis_removed';
  analysis: string;
}
/**
 * Make these changes in the open notebook, all or none, as one undo step.
 *
 * If anything is not as expected (a source, a cell that exists or not, the cell ``after``),
 * nothing is changed and the answer is ``refused`` with the whole document. Otherwise the tab
 * saves if its notebook was clean before, and leaves it dirty if not. ``after`` may name a cell
 * that an earlier change of the same frame adds.
 *
 * Attributes:
 *     analysis: The analysis of the notebook.
 *     path: The path that the tab reported.
 *     write: Number of this write, to be answered by ``report_write``.
 *     changes: In the order in which they are made.
 */
export interface WriteNotebookFrame {
  type: 'write_notebook';
  analysis: string;
  path: string;
  write: number;
  changes: (PutCell | RemoveCell | SetMetadata)[];
}
/**
 * Add a cell, or replace the one with the same id.
 *
 * Attributes:
 *     cell: The whole nbformat cell with id, metadata and outputs; never trusted.
 *     after: The id of the cell above a new cell; null for the top. A cell that exists already
 *         keeps its place.
 *     at_end: Whether the cell was the last one when the write was made. If it is new, it then
 *         goes to the end, below cells that the user has added meanwhile, so that the cell in
 *         which they type does not move.
 *     expects: The source that the cell has now; null if it does not exist yet.
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
 * Remove a cell; ``expects`` is the source that the cell has now.
 */
export interface RemoveCell {
  change: 'remove_cell';
  cell: string;
  expects: string;
}
/**
 * Replace the notebook's ``metadata.analyst_kernel``.
 *
 * Attributes:
 *     values: The new value as a whole.
 *     defaults: Other notebook metadata (kernelspec...), to set for keys that are missing.
 */
export interface SetMetadata {
  change: 'set_metadata';
  values: {
    [k: string]: JsonValue;
  };
  defaults: {
    [k: string]: JsonValue;
  };
}
/**
 * Send the notebook as it is in the tab, by ``report_document``.
 */
export interface ReadNotebookFrame {
  type: 'read_notebook';
  analysis: string;
  path: string;
  read: number;
}
/**
 * The file was written outside the tab; a tab that has it open rebases before it saves.
 *
 * Attributes:
 *     analysis: The analysis of the notebook.
 *     path: The path in the file browser.
 *     hash: The contents service's hash of the file now; null if it is not known.
 */
export interface NotebookChangedFrame {
  type: 'notebook_changed';
  analysis: string;
  path: string;
  hash: string | null;
}
/**
 * A command from a browser tab; ``id`` is counted by the tab and repeated in the reply.
 */
export interface ClientFrame {
  id: number;
  command:
    | AskQuestion
    | CancelRun
    | RunCode
    | AttachData
    | DetachData
    | AttachConnection
    | DetachConnection
    | ChooseReading
    | RemovePackage
    | AnswerQuestion
    | DecideApproval
    | DecidePlan
    | RunAgain
    | UnqueueQuestion
    | RetryModel
    | ChooseModel
    | ChooseApproval
    | ChooseBudget
    | ChoosePrivacy
    | SwitchInstructions
    | VerifyAnalysis
    | CheckFreshness
    | RefreshAnalysis
    | UndoRun
    | AddDefinition
    | EditDefinition
    | RemoveDefinition
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
  'cell_refreshed',
  'cell_verified',
  'chart_captured',
  'data_changes_noticed',
  'dataset_detached',
  'dataset_profiled',
  'definition_recorded',
  'finding_recorded',
  'hand_changes_noticed',
  'iteration_finished',
  'iteration_started',
  'kernel_changed',
  'ledger_changed',
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
  'reading_changed',
  'refresh_finished',
  'refresh_started',
  'run_finished',
  'run_started',
  'run_undone',
  'state_named',
  'text_streamed',
  'thinking_streamed',
  'tool_input_streamed',
  'usage_counted',
  'user_answered',
  'user_asked',
  'verification_finished',
  'verification_started'
] as const satisfies readonly Event['type'][];

/** The tag of every command there is. */
export const COMMAND_TYPES = [
  'add_definition',
  'answer_question',
  'ask_question',
  'attach_connection',
  'attach_data',
  'cancel_run',
  'check_freshness',
  'choose_approval',
  'choose_budget',
  'choose_model',
  'choose_privacy',
  'choose_reading',
  'decide_approval',
  'decide_plan',
  'detach_connection',
  'detach_data',
  'edit_definition',
  'refresh_analysis',
  'remove_definition',
  'remove_package',
  'report_document',
  'report_notebook',
  'report_write',
  'retry_model',
  'run_again',
  'run_code',
  'subscribe_analysis',
  'switch_instructions',
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

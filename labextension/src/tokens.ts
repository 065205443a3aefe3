/** What the extension's plugins offer to each other and to other extensions. */
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { AnalystFault } from './client/errors';
import type { AnalysisSummary, Models, Status } from './client/records';
import type { AnalystRest, BranchPoint, NewAnalysis } from './client/rest';
import type { Connection } from './client/socket';
import type {
  Command,
  NotebookChangedFrame,
  ReadNotebookFrame,
  WriteNotebookFrame
} from './protocol/generated';
import type { AnalysisState, AskDefaults } from './session/state';

/** The package's name: the first half of each plugin's id. */
export const PACKAGE = 'analyst-kernel';

/** An analysis of the list whose state changed, e.g. from running to idle. */
export interface SummaryChange {
  readonly before: AnalysisSummary;
  readonly after: AnalysisSummary;
}

/** What the server asks of the tab that has a notebook open. */
export type NotebookFrame = WriteNotebookFrame | ReadNotebookFrame | NotebookChangedFrame;

/** The analyses of the server, as far as this tab follows them. */
export interface IAnalystStore {
  /** Every analysis, the newest first. */
  readonly analyses: readonly AnalysisSummary[];
  /** False until the list of analyses has arrived once. */
  readonly listed: boolean;
  /** Emitted at most once per animation frame, after anything changed. */
  readonly changed: ISignal<IAnalystStore, void>;
  /** Emitted when the state of an analysis in the list changes. */
  readonly summaryChanged: ISignal<IAnalystStore, SummaryChange>;
  /** Emitted when an analysis was deleted, here or elsewhere. */
  readonly removed: ISignal<IAnalystStore, string>;
  /** Emitted when commands can be sent, for the first time or again. */
  readonly connected: ISignal<IAnalystStore, void>;
  /** Emitted when the server asks something of a notebook that this tab has open. */
  readonly notebookRequested: ISignal<IAnalystStore, NotebookFrame>;

  /** Whether commands can be sent. */
  readonly connectionState: Connection;
  /** When the connection is tried again (milliseconds since the epoch). */
  readonly retryAt: number | null;
  readonly status: Status | null;
  readonly models: Models | null;
  /** What concerns every panel: the server does not answer, or has another version. */
  readonly trouble: AnalystFault | null;
  /** The REST routes, for what is done once. */
  readonly rest: AnalystRest;

  /** Return an analysis of the list. */
  summary(analysis: string): AnalysisSummary | null;
  /** Return the state of an analysis that is or was watched. */
  state(analysis: string): AnalysisState | null;
  /** Return whether every event up to now has arrived. */
  isLoaded(analysis: string): boolean;
  /** Follow an analysis; call the result to stop. Its state stays for when it is followed again. */
  watch(analysis: string): () => void;
  /**
   * Send a command; resolves when the server accepted it.
   *
   * @throws CommandRefused - With the server's sentence and remedy.
   * @throws ConnectionLost - Not connected, or the connection ended before the reply.
   */
  send(command: Command): Promise<void>;
  /** Start an analysis. */
  create(options?: NewAnalysis): Promise<AnalysisSummary>;
  /** Start an analysis from a cell of another analysis. */
  branch(analysis: string, from: BranchPoint): Promise<AnalysisSummary>;
  /** Remove an analysis from the list, after it was deleted. */
  forget(analysis: string): void;
  /** Fetch the list, the status and the models again. */
  refresh(): Promise<void>;
  /** Fetch again which models can be used; servers on Jupyter's computer are asked on request. */
  refreshModels(lookForLocal?: boolean): Promise<void>;
  /** Connect now instead of waiting for the next attempt. */
  retryNow(): void;
}

/** The analyses of the server. */
export const IAnalystStore = new Token<IAnalystStore>(
  `${PACKAGE}:IAnalystStore`,
  'The analyses of the server: their states, commands, lists.'
);

/** The model of one panel, as other plugins use it. */
export interface IPanelModel {
  /** The analysis that the panel shows; `null` before a new analysis is started. */
  readonly analysis: string | null;
  /** The state of that analysis, as far as known. */
  readonly state: AnalysisState | null;
  /** Emitted after anything that the panel draws has changed. */
  readonly changed: ISignal<IPanelModel, void>;
  /** What is typed and not asked yet. */
  draft: string;
  /** Show an analysis, or with `null` the start of a new analysis. */
  show(analysis: string | null): void;
  /** Ask a question; `data` are paths that the user chose together with it. */
  ask(question: string, data?: readonly string[]): Promise<void>;
  /** Attach files or folders of the server, by path; returns whether the server accepted them. */
  attach(paths: readonly string[]): Promise<boolean>;
  /** Run `task`; the panel shows what goes wrong, and the result is then `null`. */
  attempt<T>(task: () => Promise<T>): Promise<T | null>;
}

/** The sidebar and the tabs that show analyses. */
export interface IAnalystPanels {
  /** The model of the sidebar's panel. */
  readonly sidebar: IPanelModel;
  /** Bring the sidebar to the front, with the cursor in the question box. */
  activate(): void;
  /** Return the panel that a command applies to: the tab in front, else the sidebar. */
  current(): IPanelModel;
  /** Whether this application has room for tabs beside the sidebar. */
  readonly hasTabs: boolean;
  /** Open an analysis in a tab of the main area. */
  openBeside(analysis: string): void;
  /** Return whether the user can see this analysis now. */
  isShown(analysis: string): boolean;
  /** Open the notebook of an analysis, at `cell` if given. */
  openNotebook(analysis: string, cell?: string): Promise<void>;
  /** Show the analysis of a notebook in the sidebar; a notebook without one becomes an analysis. */
  showNotebook(path: string): Promise<void>;
  /** Start an analysis from a cell of another analysis, or from its end, and show it. */
  branch(analysis: string, from?: BranchPoint): Promise<void>;
  /** Save an export on the user's computer. */
  exportAnalysis(analysis: string, to: 'ipynb' | 'html' | 'py', clean: boolean): Promise<void>;
  /** Let the user choose files of the server; `null` if this application has no file dialog. */
  readonly chooseFiles: (() => Promise<readonly string[]>) | null;
  /** Set how every panel, present and future, asks by default. */
  applyDefaults(defaults: AskDefaults): void;
}

/** The panels of the extension. */
export const IAnalystPanels = new Token<IAnalystPanels>(
  `${PACKAGE}:IAnalystPanels`,
  'The sidebar and the tabs that show analyses.'
);

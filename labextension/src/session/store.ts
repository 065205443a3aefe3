/**
 * All that this tab knows of the server: the analyses, the state of those that are watched, what
 * can be used, whether the server answers. It draws nothing and knows no widget.
 */
import { type ISignal, Signal } from '@lumino/signaling';
import { AnalystFault, CommandRefused, faultOf } from '../client/errors';
import type { AnalysisSummary, Models, Status } from '../client/records';
import type { AnalystRest, BranchPoint, NewAnalysis } from '../client/rest';
import type { AnalystSocket, Connection, SocketListener } from '../client/socket';
import type { Command, Event } from '../protocol/generated';
import type { IAnalystStore, NotebookFrame, SummaryChange } from '../tokens';
import { reduceAll } from './reducer';
import { type AnalysisState, emptyAnalysis } from './state';

/** What the panel draws from. Every change is announced at most once per frame. */
export class AnalystStore implements IAnalystStore, SocketListener {
  private summaries = new Map<string, AnalysisSummary>();
  private readonly newer = new Set<Map<string, AnalysisSummary | null>>();
  private readonly states = new Map<string, AnalysisState>();
  private readonly watchers = new Map<string, number>();
  private readonly arrived = new Map<string, Event[]>();
  private readonly caughtUp = new Set<string>();
  private readonly frame = new NextFrame(() => {
    this.fold();
  });
  private readonly _changed = new Signal<this, void>(this);
  private readonly _summaryChanged = new Signal<this, SummaryChange>(this);
  private readonly _removed = new Signal<this, string>(this);
  private readonly _connected = new Signal<this, void>(this);
  private readonly _notebookRequested = new Signal<this, NotebookFrame>(this);
  private socket: AnalystSocket | null = null;

  /** Whether commands can be sent, and when it is tried again (milliseconds since the epoch). */
  connectionState: Connection = 'closed';
  retryAt: number | null = null;
  status: Status | null = null;
  models: Models | null = null;
  /** Something that concerns the whole panel: the server is missing, or of another version. */
  trouble: AnalystFault | null = null;
  /** False until the list of analyses has arrived once. */
  listed = false;

  constructor(readonly rest: AnalystRest) {}

  /** Something is different; read what you draw. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** An analysis went from one state to another just now, e.g. from running to idle. */
  get summaryChanged(): ISignal<this, SummaryChange> {
    return this._summaryChanged;
  }

  /** An analysis was deleted, here or elsewhere. */
  get removed(): ISignal<this, string> {
    return this._removed;
  }

  /** Commands can be sent, for the first time or again. */
  get connected(): ISignal<this, void> {
    return this._connected;
  }

  /** The server asks something of a notebook that this tab has open. */
  get notebookRequested(): ISignal<this, NotebookFrame> {
    return this._notebookRequested;
  }

  /** Every analysis, the newest first. */
  get analyses(): readonly AnalysisSummary[] {
    return [...this.summaries.values()].sort((a, b) => b.updated - a.updated);
  }

  /** One analysis of the list. */
  summary(analysis: string): AnalysisSummary | null {
    return this.summaries.get(analysis) ?? null;
  }

  /** What is known of a watched analysis. */
  state(analysis: string): AnalysisState | null {
    return this.states.get(analysis) ?? null;
  }

  /** Whether everything up to now has arrived. */
  isLoaded(analysis: string): boolean {
    return this.caughtUp.has(analysis);
  }

  /** Use `socket`, and ask what there is. */
  start(socket: AnalystSocket): void {
    this.socket = socket;
    // What was shown before there was a socket, as after a reload.
    for (const analysis of this.watchers.keys()) {
      socket.subscribe(analysis, this.states.get(analysis)?.last ?? 0);
    }
    socket.start();
    void this.refresh();
  }

  /** Ask again for the list, the status and the models. */
  async refresh(): Promise<void> {
    // What is told while the list is on its way is newer than the list.
    const newer = new Map<string, AnalysisSummary | null>();
    this.newer.add(newer);
    try {
      const [status, analyses] = await Promise.all([this.rest.status(), this.rest.analyses()]);
      this.status = status;
      this.summaries = new Map(analyses.map(summary => [summary.id, summary]));
      for (const [id, summary] of newer) {
        if (summary === null) {
          this.summaries.delete(id);
        } else {
          this.summaries.set(id, summary);
        }
      }
      this.listed = true;
      this.trouble = null;
    } catch (reason) {
      this.trouble = faultOf(reason);
    } finally {
      this.newer.delete(newer);
    }
    this.announce();
    await this.refreshModels();
  }

  /** Ask again which models can be used. */
  async refreshModels(): Promise<void> {
    try {
      this.models = await this.rest.models();
      this.announce();
    } catch {
      // The picker then offers what the status named; the status says what is wrong.
    }
  }

  /** Follow an analysis; call the result to stop. Its state stays for when it is followed again. */
  watch(analysis: string): () => void {
    this.watchers.set(analysis, (this.watchers.get(analysis) ?? 0) + 1);
    const state = this.states.get(analysis) ?? emptyAnalysis(analysis);
    this.states.set(analysis, state);
    this.socket?.subscribe(analysis, state.last);
    let watching = true;
    return () => {
      if (!watching) {
        return;
      }
      watching = false;
      const left = (this.watchers.get(analysis) ?? 1) - 1;
      this.watchers.set(analysis, left);
      if (left === 0) {
        this.fold();
        this.watchers.delete(analysis);
        this.caughtUp.delete(analysis);
        this.socket?.unsubscribe(analysis);
      }
    };
  }

  /** Send a command; see {@link AnalystSocket.send}. */
  async send(command: Command): Promise<void> {
    if (this.socket === null) {
      throw new CommandRefused('The sidebar is not connected to the server.', 'Reload the page.');
    }
    await this.socket.send(command);
  }

  /** Start an analysis. */
  async create(options: NewAnalysis = {}): Promise<AnalysisSummary> {
    const summary = await this.rest.create(options);
    this.note(summary.id, summary);
    this.announce();
    return summary;
  }

  /** Start an analysis from a cell of another one. */
  async branch(analysis: string, from: BranchPoint): Promise<AnalysisSummary> {
    const summary = await this.rest.branch(analysis, from);
    this.note(summary.id, summary);
    this.announce();
    return summary;
  }

  /** Try to connect at once. */
  retryNow(): void {
    this.socket?.retryNow();
  }

  // --- SocketListener ---------------------------------------------------------------------------

  /** Keep an event for the next frame. */
  onEvent(event: Event): void {
    const waiting = this.arrived.get(event.analysis);
    if (waiting === undefined) {
      this.arrived.set(event.analysis, [event]);
    } else {
      waiting.push(event);
    }
    this.frame.request();
  }

  /** Take note of the list's changes and of the end of a replay. */
  onFrame(frame: Parameters<SocketListener['onFrame']>[0]): void {
    switch (frame.type) {
      case 'analysis_changed': {
        const before = this.summaries.get(frame.summary.id);
        this.note(frame.summary.id, frame.summary);
        if (before !== undefined && before.state !== frame.summary.state) {
          this._summaryChanged.emit({ before, after: frame.summary });
        }
        break;
      }
      case 'analysis_removed':
        this.forget(frame.analysis);
        break;
      case 'caught_up':
        this.fold();
        this.caughtUp.add(frame.analysis);
        break;
      case 'write_notebook':
      case 'read_notebook':
      case 'notebook_changed':
        this._notebookRequested.emit(frame);
        return;
      default: {
        const rest: never = frame;
        throw new Error(`Unknown frame ${JSON.stringify(rest)}`);
      }
    }
    this.announce();
  }

  /** Take note of the connection; what was missed while it was gone is asked for again. */
  onConnection(state: Connection, retryAt: number | null): void {
    const back = state === 'open' && this.connectionState !== 'open' && this.listed;
    this.connectionState = state;
    this.retryAt = retryAt;
    if (state === 'lost') {
      this.caughtUp.clear();
    }
    if (back) {
      void this.refresh();
    }
    if (state === 'open') {
      this._connected.emit();
    }
    this.announce();
  }

  /** Say that page and server do not fit. */
  onProtocolError(error: Error): void {
    this.trouble = new AnalystFault(error.message, 'Reload the page.');
    this.announce();
  }

  /** Take an analysis out of the list, as when it was deleted. */
  forget(analysis: string): void {
    this.note(analysis, null);
    this.states.delete(analysis);
    this.arrived.delete(analysis);
    this._removed.emit(analysis);
    this.announce();
  }

  private note(analysis: string, summary: AnalysisSummary | null): void {
    if (summary === null) {
      this.summaries.delete(analysis);
    } else {
      this.summaries.set(analysis, summary);
    }
    for (const newer of this.newer) {
      newer.set(analysis, summary);
    }
  }

  private announce(): void {
    this.frame.request();
  }

  private fold(): void {
    this.frame.cancel();
    for (const [analysis, events] of this.arrived) {
      const state = this.states.get(analysis) ?? emptyAnalysis(analysis);
      this.states.set(analysis, reduceAll(state, events));
    }
    this.arrived.clear();
    this._changed.emit();
  }
}

/** How long a hidden tab, which draws no frames, may put a task off (milliseconds). */
const HIDDEN = 250;

/** Joins many wishes for the same task into one. */
export class NextFrame {
  private frame: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly task: () => void) {}

  /** Wish that the task runs soon. */
  request(): void {
    if (this.timer !== undefined) {
      return;
    }
    this.timer = setTimeout(this.run, HIDDEN);
    if (typeof requestAnimationFrame === 'function') {
      this.frame = requestAnimationFrame(this.run);
    }
  }

  /** Run it now, if it was wished for. */
  flush(): void {
    if (this.timer !== undefined) {
      this.run();
    }
  }

  /** Forget the wish. */
  cancel(): void {
    clearTimeout(this.timer);
    if (this.frame !== undefined) {
      cancelAnimationFrame(this.frame);
    }
    this.timer = undefined;
    this.frame = undefined;
  }

  private readonly run = (): void => {
    this.cancel();
    this.task();
  };
}

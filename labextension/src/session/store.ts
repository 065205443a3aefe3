/**
 * The analyses of the server, the states of those that are watched, the available models, and
 * whether the server answers. It is independent of any widget.
 */
import { Signal, type ISignal } from '@lumino/signaling';
import { AnalystFault, CommandRefused, faultOf } from '../client/errors';
import type { AnalysisSummary, Models, Status } from '../client/records';
import type { AnalystRest, BranchPoint, NewAnalysis } from '../client/rest';
import type { AnalystSocket, Connection, SocketListener } from '../client/socket';
import type { Command, Event } from '../protocol/generated';
import type { IAnalystStore, NotebookFrame, SummaryChange } from '../tokens';
import { reduceAll } from './reducer';
import { emptyAnalysis, type AnalysisState } from './state';

/** Implements the store on one socket. `changed` is emitted at most once per animation frame. */
export class AnalystStore implements IAnalystStore, SocketListener {
  private summaries = new Map<string, AnalysisSummary>();
  private readonly pendingUpdates = new Set<Map<string, AnalysisSummary | null>>();
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

  connectionState: Connection = 'closed';
  retryAt: number | null = null;
  status: Status | null = null;
  models: Models | null = null;
  trouble: AnalystFault | null = null;
  listed = false;

  constructor(readonly rest: AnalystRest) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get summaryChanged(): ISignal<this, SummaryChange> {
    return this._summaryChanged;
  }

  get removed(): ISignal<this, string> {
    return this._removed;
  }

  get connected(): ISignal<this, void> {
    return this._connected;
  }

  get notebookRequested(): ISignal<this, NotebookFrame> {
    return this._notebookRequested;
  }

  get analyses(): readonly AnalysisSummary[] {
    return [...this.summaries.values()].sort((a, b) => b.updated - a.updated);
  }

  summary(analysis: string): AnalysisSummary | null {
    return this.summaries.get(analysis) ?? null;
  }

  state(analysis: string): AnalysisState | null {
    return this.states.get(analysis) ?? null;
  }

  isLoaded(analysis: string): boolean {
    return this.caughtUp.has(analysis);
  }

  /** Use `socket`, and fetch the lists. */
  start(socket: AnalystSocket): void {
    this.socket = socket;
    // Analyses that were shown before the socket was there, as after a reload.
    for (const analysis of this.watchers.keys()) {
      socket.subscribe(analysis, this.states.get(analysis)?.last ?? 0);
    }
    socket.start();
    void this.refresh();
  }

  async refresh(): Promise<void> {
    // Changes that arrive while the list is being fetched are newer than the list.
    const updates = new Map<string, AnalysisSummary | null>();
    this.pendingUpdates.add(updates);
    try {
      const [status, analyses] = await Promise.all([this.rest.status(), this.rest.analyses()]);
      this.status = status;
      this.summaries = new Map(analyses.map(summary => [summary.id, summary]));
      for (const [id, summary] of updates) {
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
      this.pendingUpdates.delete(updates);
    }
    this.requestEmit();
    await this.refreshModels();
  }

  async refreshModels(lookForLocal = false): Promise<void> {
    try {
      this.models = await this.rest.models(lookForLocal);
      this.requestEmit();
    } catch {
      // The picker then offers the default of the status, which also says what is wrong.
    }
  }

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

  async send(command: Command): Promise<void> {
    if (this.socket === null) {
      throw new CommandRefused('The sidebar is not connected to the server.', 'Reload the page.');
    }
    await this.socket.send(command);
  }

  async create(options: NewAnalysis = {}): Promise<AnalysisSummary> {
    const summary = await this.rest.create(options);
    this.setSummary(summary.id, summary);
    this.requestEmit();
    return summary;
  }

  async branch(analysis: string, from: BranchPoint): Promise<AnalysisSummary> {
    const summary = await this.rest.branch(analysis, from);
    this.setSummary(summary.id, summary);
    this.requestEmit();
    return summary;
  }

  retryNow(): void {
    this.socket?.retryNow();
  }

  // --- SocketListener ---------------------------------------------------------------------------

  /** Keep an event for the next animation frame. */
  onEvent(event: Event): void {
    const waiting = this.arrived.get(event.analysis);
    if (waiting === undefined) {
      this.arrived.set(event.analysis, [event]);
    } else {
      waiting.push(event);
    }
    this.frame.request();
  }

  /** Apply changes of the list, and note the end of a replay. */
  onFrame(frame: Parameters<SocketListener['onFrame']>[0]): void {
    switch (frame.type) {
      case 'analysis_changed': {
        const before = this.summaries.get(frame.summary.id);
        this.setSummary(frame.summary.id, frame.summary);
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
    this.requestEmit();
  }

  /** Note the state of the connection; after a pause the lists are fetched again. */
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
    this.requestEmit();
  }

  /** Show that the versions of page and server differ. */
  onProtocolError(error: Error): void {
    this.trouble = new AnalystFault(error.message, 'Reload the page.');
    this.requestEmit();
  }

  forget(analysis: string): void {
    this.setSummary(analysis, null);
    this.states.delete(analysis);
    this.arrived.delete(analysis);
    this._removed.emit(analysis);
    this.requestEmit();
  }

  private setSummary(analysis: string, summary: AnalysisSummary | null): void {
    if (summary === null) {
      this.summaries.delete(analysis);
    } else {
      this.summaries.set(analysis, summary);
    }
    for (const updates of this.pendingUpdates) {
      updates.set(analysis, summary);
    }
  }

  private requestEmit(): void {
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

/** How long a hidden tab, which draws no frames, may delay a task (milliseconds). */
const HIDDEN = 250;

/** Joins many requests for the same task into one. */
export class NextFrame {
  private frame: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly task: () => void) {}

  /** Run the task in the next animation frame. */
  request(): void {
    if (this.timer !== undefined) {
      return;
    }
    this.timer = setTimeout(this.run, HIDDEN);
    if (typeof requestAnimationFrame === 'function') {
      this.frame = requestAnimationFrame(this.run);
    }
  }

  /** Drop the request. */
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

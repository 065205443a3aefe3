/**
 * One panel: which analysis it shows, what is being typed, what was sent and not yet accepted.
 * Several panels share one store.
 */
import { Signal, type ISignal } from '@lumino/signaling';
import { faultOf, type AnalystFault } from '../client/errors';
import type { AnalysisSummary } from '../client/records';
import type { Command } from '../protocol/generated';
import type { IAnalystStore, IPanelModel } from '../tokens';
import { NOTHING_CHOSEN, type AnalysisState, type AskDefaults, type PrivacyMode } from './state';

/** A question that was sent and is not in the analysis's events yet. */
export interface PendingQuestion {
  readonly id: number;
  readonly question: string;
  /** How many times the analysis had this question before. */
  readonly before: number;
  /** Paths that are read before the run starts. */
  readonly data: readonly string[];
  readonly fault: AnalystFault | null;
}

/** What a panel shows: the conversation, or the list of analyses. */
export type PanelView = 'conversation' | 'analyses';

/** A command without the id of its analysis. */
export type CommandHere = Command extends infer C
  ? C extends Command
    ? Omit<C, 'analysis'>
    : never
  : never;

const NEW = '';
const KEPT_QUESTIONS = 100;

/** The model of one panel. */
export class PanelModel implements IPanelModel {
  private readonly _changed = new Signal<this, void>(this);
  private readonly drafts = new Map<string, string>();
  private readonly asked: string[] = [];
  private unwatch: (() => void) | null = null;
  private nextId = 1;
  private starting: Promise<string> | null = null;
  /** Analyses that have got the defaults already. */
  private readonly configured = new Set<string>();

  analysis: string | null = null;
  view: PanelView = 'conversation';
  pending: readonly PendingQuestion[] = [];
  /** The last failure, until the user closes it. */
  fault: AnalystFault | null = null;
  /** What was chosen before the analysis was started. */
  choice: AskDefaults = NOTHING_CHOSEN;
  defaults: AskDefaults = NOTHING_CHOSEN;
  /** A cell to bring into view, and a count so that the same cell can be revealed again. */
  revealed: { cell: string; count: number } = { cell: '', count: 0 };
  /** Increases when the question box shall get the focus. */
  focusCount = 0;
  /** Return the folder for the notebook of a new analysis, or `null` for the server's root. */
  folder: () => string | null = () => null;
  isDisposed = false;

  constructor(readonly store: IAnalystStore) {
    store.changed.connect(this.onStoreChanged, this);
    store.removed.connect(this.onRemoved, this);
  }

  /** Emitted after anything that this panel draws has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The state of its analysis, as far as known. */
  get state(): AnalysisState | null {
    return this.analysis === null ? null : this.store.state(this.analysis);
  }

  get summary(): AnalysisSummary | null {
    return this.analysis === null ? null : this.store.summary(this.analysis);
  }

  /** What is typed and not yet asked; kept for each analysis. */
  get draft(): string {
    return this.drafts.get(this.analysis ?? NEW) ?? '';
  }

  set draft(text: string) {
    this.drafts.set(this.analysis ?? NEW, text);
    this._changed.emit();
  }

  /** What was asked before, the oldest first; for the arrow keys. */
  get history(): readonly string[] {
    const runs = this.state?.runs.map(run => run.question) ?? [];
    return [...new Set([...this.asked, ...runs].reverse())].reverse();
  }

  /** Stop following the analysis. Idempotent. */
  dispose(): void {
    this.isDisposed = true;
    this.unwatch?.();
    Signal.clearData(this);
  }

  /** Show an analysis, or with `null` the start of a new analysis. */
  show(analysis: string | null): void {
    this.view = 'conversation';
    if (analysis !== this.analysis) {
      this.unwatch?.();
      this.analysis = analysis;
      this.unwatch = analysis === null ? null : this.store.watch(analysis);
      this.pending = [];
      this.fault = null;
      this.lookAtData();
    }
    this._changed.emit();
  }

  /** Have the server look whether data changed since it was answered from; it says so by events. */
  lookAtData(): void {
    const { summary } = this;
    if (this.analysis !== null && summary?.questions !== 0) {
      const command: Command = { type: 'check_freshness', analysis: this.analysis };
      this.store.send(command).catch(() => undefined); // nobody asked for it
    }
  }

  /** Show the conversation or the list. */
  showView(view: PanelView): void {
    this.view = view;
    this._changed.emit();
  }

  /** Put the cursor into the question box. */
  focusQuestion(): void {
    this.view = 'conversation';
    this.focusCount += 1;
    this._changed.emit();
  }

  /** Bring a cell into view. */
  reveal(cell: string): void {
    this.revealed = { cell, count: this.revealed.count + 1 };
    this._changed.emit();
  }

  /** Show a failure, or with `null` close it. */
  report(fault: unknown): void {
    this.fault = fault === null ? null : faultOf(fault);
    this._changed.emit();
  }

  /** Return the id of the analysis, which is started first if necessary. Callers share one start. */
  async ensure(): Promise<string> {
    if (this.analysis !== null) {
      return this.analysis;
    }
    this.starting ??= this.begin().finally(() => {
      this.starting = null;
    });
    return this.starting;
  }

  private async begin(): Promise<string> {
    const folder = this.folder();
    const created = await this.store.create(folder === null ? {} : { folder });
    const draft = this.draft;
    const pending = this.pending;
    this.drafts.delete(NEW);
    this.drafts.set(created.id, draft);
    this.show(created.id);
    this.pending = pending;
    await this.applyChoice(created.id);
    return created.id;
  }

  /**
   * Ask a question. It is shown at once, and marked if the server does not accept it.
   *
   * @param data - Paths that the user chose together with the question.
   */
  async ask(question: string, data: readonly string[] = []): Promise<void> {
    const text = question.trim();
    if (text === '') {
      return;
    }
    this.asked.push(text);
    this.asked.splice(0, this.asked.length - KEPT_QUESTIONS);
    const id = this.nextId++;
    const before = this.timesAsked(text) + this.pending.filter(p => p.question === text).length;
    this.pending = [...this.pending, { id, question: text, before, data, fault: null }];
    this.draft = '';
    try {
      const analysis = await this.ensure();
      await this.store.send({ type: 'ask_question', analysis, question: text, data: [...data] });
      this.settlePending(id, null);
    } catch (reason) {
      this.settlePending(id, faultOf(reason));
    }
  }

  /** Drop a question that was not accepted; it becomes the draft again. */
  discard(id: number): void {
    const failed = this.pending.find(pending => pending.id === id);
    this.pending = this.pending.filter(pending => pending.id !== id);
    if (failed !== undefined && this.draft === '') {
      this.draft = failed.question;
    }
    this._changed.emit();
  }

  /** Send a command for this panel's analysis; returns whether the server accepted it. */
  async send(command: CommandHere): Promise<boolean> {
    try {
      const analysis = await this.ensure();
      await this.store.send({ ...command, analysis });
      return true;
    } catch (reason) {
      this.report(reason);
      return false;
    }
  }

  /** Run `task` and show what goes wrong; the result is then `null`. */
  async attempt<T>(task: () => Promise<T>): Promise<T | null> {
    try {
      return await task();
    } catch (reason) {
      this.report(reason);
      return null;
    }
  }

  /** Attach files or folders of the server, by path. */
  async attach(paths: readonly string[]): Promise<boolean> {
    return paths.length > 0 && (await this.send({ type: 'attach_data', paths: [...paths] }));
  }

  /** Upload files of the user's computer. Each is attached as soon as it has arrived. */
  async upload(files: readonly File[]): Promise<void> {
    for (const file of files) {
      await this.attempt(async () => {
        await this.store.rest.upload(await this.ensure(), file);
      });
    }
  }

  /** Choose model, approval or budget: for the analysis, or for the next new analysis. */
  async choose(choice: Partial<AskDefaults>): Promise<void> {
    if (this.analysis === null) {
      this.choice = { ...this.choice, ...choice };
      this._changed.emit();
      return;
    }
    if (choice.model !== undefined && choice.model !== null) {
      await this.send({ type: 'choose_model', model: choice.model });
    }
    if (choice.approval !== undefined && choice.approval !== null) {
      await this.send({ type: 'choose_approval', mode: choice.approval });
    }
    const { budget, analysisBudget } = choice;
    if (budget !== undefined || analysisBudget !== undefined) {
      const { state } = this;
      await this.send({
        type: 'choose_budget',
        cost_usd: budget === undefined ? (state?.budget ?? null) : budget,
        analysis_usd:
          analysisBudget === undefined ? (state?.analysisBudget ?? null) : analysisBudget
      });
    }
  }

  /** Choose what the model may see, for the analysis or for the next new one. */
  async choosePrivacy(mode: PrivacyMode, confirmed: boolean): Promise<void> {
    if (this.analysis === null) {
      this.choice = { ...this.choice, privacy: mode };
      this._changed.emit();
      return;
    }
    await this.send({ type: 'choose_privacy', mode, confirmed });
  }

  /** Configure a new analysis by what was chosen for it, else by the settings. */
  private async applyChoice(analysis: string): Promise<void> {
    if (this.configured.has(analysis)) {
      return;
    }
    this.configured.add(analysis);
    const model = this.choice.model ?? this.defaults.model;
    const approval = this.choice.approval ?? this.defaults.approval;
    const budget = this.choice.budget ?? this.defaults.budget;
    const analysisBudget = this.choice.analysisBudget ?? this.defaults.analysisBudget;
    const privacy = this.choice.privacy ?? this.defaults.privacy;
    this.choice = NOTHING_CHOSEN;
    if (privacy !== null && privacy !== 'full') {
      // First, and a refusal is an end: nothing is asked in a mode that shows more.
      await this.store.send({ type: 'choose_privacy', analysis, mode: privacy });
    }
    if (model !== null) {
      await this.store.send({ type: 'choose_model', analysis, model });
    }
    if (approval !== null) {
      await this.store.send({ type: 'choose_approval', analysis, mode: approval });
    }
    if (budget !== null || analysisBudget !== null) {
      await this.store.send({
        type: 'choose_budget',
        analysis,
        cost_usd: budget,
        analysis_usd: analysisBudget
      });
    }
  }

  private settlePending(id: number, fault: AnalystFault | null): void {
    this.pending = this.pending.map(p => (p.id === id ? { ...p, fault } : p));
    this.dropTaken();
    this._changed.emit();
  }

  /** Drop the pending questions that a run or the queue has now. */
  private dropTaken(): void {
    this.pending = this.pending.filter(
      ({ question, before, fault }) => fault !== null || this.timesAsked(question) <= before
    );
  }

  private timesAsked(question: string): number {
    const { state } = this;
    const all = [...(state?.runs.map(run => run.question) ?? []), ...(state?.queue ?? [])];
    return all.filter(other => other.trim() === question).length;
  }

  private readonly onStoreChanged = (): void => {
    this.dropTaken();
    this._changed.emit();
  };

  private readonly onRemoved = (_: IAnalystStore, analysis: string): void => {
    if (analysis === this.analysis) {
      this.analysis = null;
      this.unwatch = null;
      this._changed.emit();
    }
  };
}

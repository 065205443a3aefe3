/**
 * One panel: which analysis it shows, what is being typed, what was sent and not yet taken up.
 * Several panels share one store.
 */
import { Signal, type ISignal } from '@lumino/signaling';
import { faultOf, type AnalystFault } from '../client/errors';
import type { AnalysisSummary } from '../client/records';
import type { Command } from '../protocol/generated';
import type { IAnalystStore, IPanelModel } from '../tokens';
import type { AnalysisState, AskDefaults } from './state';

/** A question that was sent and is not yet in the analysis's events. */
export interface PendingQuestion {
  readonly id: number;
  readonly question: string;
  /** How often the analysis had this question before. */
  readonly before: number;
  /** Paths that are read before the question is taken. */
  readonly data: readonly string[];
  readonly fault: AnalystFault | null;
}

/** What a panel shows: the conversation, or the list of analyses. */
export type PanelView = 'conversation' | 'analyses';

/** A command without the analysis that it is for. */
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
  /** Analyses whose settings were already made from the defaults. */
  private readonly configured = new Set<string>();

  analysis: string | null = null;
  view: PanelView = 'conversation';
  pending: readonly PendingQuestion[] = [];
  /** The last thing that did not work, until it is closed. */
  fault: AnalystFault | null = null;
  /** Chosen before there is an analysis to choose it for. */
  choice: AskDefaults = { model: null, approval: null, budget: null };
  defaults: AskDefaults = { model: null, approval: null, budget: null };
  /** A cell to bring into view, and a count so that the same one can be asked for again. */
  revealed: { cell: string; count: number } = { cell: '', count: 0 };
  /** Counts up when the question box shall have the focus. */
  focusCount = 0;
  /** Where a new analysis puts its notebook: a folder of the server, or `null` for the root. */
  folder: () => string | null = () => null;
  isDisposed = false;

  constructor(readonly store: IAnalystStore) {
    store.changed.connect(this.onStoreChanged, this);
    store.removed.connect(this.onRemoved, this);
  }

  /** Something that this panel draws is different. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Its analysis, as far as known. */
  get state(): AnalysisState | null {
    return this.analysis === null ? null : this.store.state(this.analysis);
  }

  /** Its analysis in the list. */
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

  /** What was asked before, oldest first; the arrow keys go through it. */
  get history(): readonly string[] {
    const runs = this.state?.runs.map(run => run.question) ?? [];
    return [...new Set([...this.asked, ...runs].reverse())].reverse();
  }

  /** Stop following. */
  dispose(): void {
    this.isDisposed = true;
    this.unwatch?.();
    Signal.clearData(this);
  }

  /** Show an analysis, or with `null` the start of a new one. */
  show(analysis: string | null): void {
    this.view = 'conversation';
    if (analysis !== this.analysis) {
      this.unwatch?.();
      this.analysis = analysis;
      this.unwatch = analysis === null ? null : this.store.watch(analysis);
      this.pending = [];
      this.fault = null;
    }
    this._changed.emit();
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

  /** Say that something did not work, or with `null` that it was read. */
  report(fault: unknown): void {
    this.fault = fault === null ? null : faultOf(fault);
    this._changed.emit();
  }

  /** The analysis, which is started where there is none yet; once, whoever asks meanwhile. */
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
   * Ask. The question is shown at once and marked where it was not taken.
   *
   * @param data - Paths that the person chose together with the question.
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

  /** Take back a question that was not taken; it can be edited again. */
  discard(id: number): void {
    const failed = this.pending.find(pending => pending.id === id);
    this.pending = this.pending.filter(pending => pending.id !== id);
    if (failed !== undefined && this.draft === '') {
      this.draft = failed.question;
    }
    this._changed.emit();
  }

  /** Send a command for this panel's analysis; what goes wrong is shown. */
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

  /** Do something with the server; what goes wrong is shown. */
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

  /** Upload files of the person's own computer; each is attached when it has arrived. */
  async upload(files: readonly File[]): Promise<void> {
    for (const file of files) {
      await this.attempt(async () => {
        await this.store.rest.upload(await this.ensure(), file);
      });
    }
  }

  /** Choose model, approval or budget: for the analysis, or for the one to come. */
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
    if (choice.budget !== undefined) {
      await this.send({ type: 'choose_budget', cost_usd: choice.budget });
    }
  }

  /** A new analysis gets what was chosen for it, else what the settings say. */
  private async applyChoice(analysis: string): Promise<void> {
    if (this.configured.has(analysis)) {
      return;
    }
    this.configured.add(analysis);
    const model = this.choice.model ?? this.defaults.model;
    const approval = this.choice.approval ?? this.defaults.approval;
    const budget = this.choice.budget ?? this.defaults.budget;
    this.choice = { model: null, approval: null, budget: null };
    if (model !== null) {
      await this.store.send({ type: 'choose_model', analysis, model });
    }
    if (approval !== null) {
      await this.store.send({ type: 'choose_approval', analysis, mode: approval });
    }
    if (budget !== null) {
      await this.store.send({ type: 'choose_budget', analysis, cost_usd: budget });
    }
  }

  private settlePending(id: number, fault: AnalystFault | null): void {
    this.pending = this.pending.map(p => (p.id === id ? { ...p, fault } : p));
    this.dropTaken();
    this._changed.emit();
  }

  /** A question is no longer pending once a run or the queue has it. */
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

/**
 * One open notebook of an analysis: takes what the server writes, and guards every save, so that
 * the file and the tab grow together and nobody is asked which of the two to throw away.
 *
 * With a live room (`model.collaborative`) the room is the writer: here only the person's own save
 * is kept from comparing the file (`room-save.ts`).
 *
 * The guard stands in two methods of the instances: `context.save`, which the Save command, Save
 * All and the autosave call, and `model.fromJSON`, through which a file's content comes in. Before
 * a save the file's hash is compared; where it moved, the file is loaded and joined with the tab
 * (`merge.ts`). Only what differs changes in the model.
 */
import type { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import type { WriteNotebookFrame } from '../protocol/generated';
import type { JsonObject, NotebookJson } from '../protocol/live';
import { notesOf, readDocument, sameDocument } from './document';
import { mergeMetadata, mergeNotebooks } from './merge';
import { withSaveLock, saveThroughRoom } from './saving';
import { applyDocument, documentOf, applySteps, runningCells, viewOf } from './shared-document';
import { planWrite } from './write-plan';

/** The context of a notebook. */
export type NotebookContext = NotebookPanel['context'];

/** What became of a write; with the whole notebook where it was refused. */
export interface WriteOutcome {
  readonly write: number;
  readonly outcome: 'saved' | 'unsaved' | 'refused';
  readonly hash: string | null;
  readonly document: NotebookJson | null;
}

/** A file that had changed was joined with the tab. */
export interface Rebase {
  /** The person had unsaved edits. */
  readonly hadEdits: boolean;
  /** Cells whose text both sides changed; the file's version stands below the person's. */
  readonly conflicts: readonly string[];
  /** Something else than cells of the analysis changed in the file, by another hand than ours. */
  readonly foreign: boolean;
}

/** A look at the file that took longer than this may be out of date (milliseconds). */
const LONG = 5000;

interface Original {
  readonly save: () => Promise<void>;
  readonly fromJSON: INotebookModel['fromJSON'];
}

/** Made when a notebook turns out to be one of an analysis; disposed with its context. */
export class LiveNotebook {
  private base: NotebookJson | null = null;
  private queue: Promise<unknown> = Promise.resolve();
  private changes = 0;
  private isStale = false;
  private isRebasing = false;
  private ended = false;
  /** Writes that are in the model and not in the file. */
  private readonly unsaved = new Set<number>();
  /** The metadata of cells as the server last put it, since the last save. */
  private readonly put = new Map<string, JsonObject>();
  private readonly original: Original | null = null;
  private readonly leaveRoom: () => void = () => undefined;
  private readonly _writeSettled = new Signal<this, WriteOutcome>(this);
  private readonly _rebased = new Signal<this, Rebase>(this);

  /**
   * @param context - Of a notebook that is loaded.
   * @param contents - Where its file is read.
   */
  constructor(
    readonly context: NotebookContext,
    private readonly contents: Contents.IManager
  ) {
    const { model } = context;
    if (this.collaborative) {
      this.leaveRoom = saveThroughRoom(context);
      return;
    }
    this.original = {
      save: context.save.bind(context),
      fromJSON: model.fromJSON.bind(model)
    };
    context.save = () => this.inTurn(() => this.save());
    model.fromJSON = value => {
      this.load(value);
    };
    model.contentChanged.connect(this.onContent, this);
    if (model.dirty) {
      void this.inTurn(() => this.findBase());
    } else {
      this.base = documentOf(model);
    }
  }

  /** A write writeSettled, came to wait for a save, or was refused. */
  get writeSettled(): ISignal<this, WriteOutcome> {
    return this._writeSettled;
  }

  /** The file's changes were joined with the tab. */
  get rebased(): ISignal<this, Rebase> {
    return this._rebased;
  }

  /** Whether a live room synchronises the notebook. */
  get collaborative(): boolean {
    return this.context.model.collaborative === true;
  }

  /** Whether the tab holds what is not saved. */
  get dirty(): boolean {
    return this.context.model.dirty;
  }

  /** Whether a cell that the person started is at work. */
  get busy(): boolean {
    return !this.isEnded() && runningCells(this.context.model).size > 0;
  }

  /** The notebook as it stands in the tab. */
  document(): NotebookJson {
    return documentOf(this.context.model);
  }

  /** Take the guard away; the context goes on as JupyterLab made it. */
  dispose(): void {
    if (this.ended) {
      return;
    }
    this.ended = true;
    const { context, original } = this;
    this.leaveRoom();
    if (original !== null && !context.isDisposed) {
      context.save = original.save;
      context.model.fromJSON = original.fromJSON;
      context.model.contentChanged.disconnect(this.onContent, this);
    }
    Signal.clearData(this);
  }

  /** Make the changes of the server, all or none, and save where nothing else waits to be saved. */
  write({ write, changes }: WriteNotebookFrame): Promise<void> {
    return this.inTurn(async () => {
      const { model } = this.context;
      const steps = this.collaborative ? null : planWrite(viewOf(model), changes);
      if (steps === null) {
        this.emitOutcome(write, 'refused');
        return;
      }
      const wasClean = !model.dirty;
      applySteps(model, steps, (id, there, put) =>
        mergeMetadata(this.put.get(id) ?? this.baseMetadata(id), there, put)
      );
      for (const step of steps) {
        if (step.do === 'insert' || step.do === 'update') {
          this.put.set(step.cell.id, step.cell.metadata);
        }
      }
      this.unsaved.add(write);
      if (!wasClean) {
        this.emitOutcome(write, 'unsaved');
        return;
      }
      // Nothing of the person's waits to be saved: closing the tab now need not ask.
      model.dirty = false;
      if (!(await this.saveOurs()) && !this.isEnded()) {
        model.dirty = true;
        this.emitOutcome(write, 'unsaved');
      }
    });
  }

  /**
   * Take over what the file holds, now where that disturbs nobody, else before the next save.
   *
   * @param hash - The file's, where it is known; nothing is done when it is the one seen last.
   */
  changedOnDisk(hash: string | null = null): Promise<void> {
    if (this.original === null || (hash !== null && hash === this.hash)) {
      return Promise.resolve();
    }
    this.isStale = true;
    return this.catchUp();
  }

  /** Take over what waits since {@link changedOnDisk}; called when the tab becomes idle. */
  catchUp(): Promise<void> {
    return this.inTurn(async () => {
      if (!this.isStale || this.dirty || this.busy) {
        return;
      }
      await this.rebase().catch(() => {
        // The server cannot be reached, or the file cannot be read: the next save looks again.
      });
    });
  }

  private isEnded(): boolean {
    return this.ended || this.context.isDisposed;
  }

  private get hash(): string | null {
    return this.context.contentsModel?.hash ?? null;
  }

  private readonly onContent = (): void => {
    this.changes += 1;
  };

  /** Run one task at a time: writes, saves and rebases of a notebook do not meet. */
  private inTurn(task: () => Promise<void>): Promise<void> {
    const mine = this.queue.then(() => (this.isEnded() ? undefined : task()));
    this.queue = mine.catch(() => undefined);
    return mine;
  }

  /** Save as the person or the autosave wants it. */
  private save(): Promise<void> {
    return withSaveLock(this.context.path, async () => {
      try {
        await this.rebaseNow();
      } catch {
        // Then JupyterLab itself finds what is wrong with the file, and says so.
      }
      await this.saveNow();
    });
  }

  /** Save what we wrote; never with a word to the person. */
  private saveOurs(): Promise<boolean> {
    return withSaveLock(this.context.path, async () => {
      if (!(this.context as { canSave?: boolean }).canSave) {
        return false;
      }
      try {
        await this.rebaseNow();
        if (this.isEnded()) {
          return false;
        }
        await this.saveNow();
        return true;
      } catch {
        return false;
      }
    });
  }

  private async saveNow(): Promise<void> {
    const { context } = this;
    const { model } = context;
    const snapshot = readDocument(model.toJSON());
    const before = this.changes;
    const landing = [...this.unsaved];
    await this.original?.save();
    if (context.isDisposed) {
      return;
    }
    this.base = snapshot;
    this.put.clear();
    // JupyterLab calls a notebook clean that the person changed while it was being saved.
    if (this.changes !== before && !sameDocument(snapshot, documentOf(model))) {
      model.dirty = true;
    }
    for (const write of landing) {
      this.unsaved.delete(write);
      this.emitOutcome(write, 'saved');
    }
  }

  /** Rebase, and again where so much time went by (the computer slept) that more may have changed. */
  private async rebaseNow(): Promise<void> {
    let begun: number;
    do {
      begun = Date.now();
      await this.rebase();
    } while (Date.now() - begun > LONG && !this.isEnded());
  }

  /**
   * Join the file with the tab where the file is another than the tab last saw.
   *
   * @throws When the file cannot be looked at or read.
   */
  private async rebase(): Promise<void> {
    const { context } = this;
    const disk = await this.look(false);
    if (this.isEnded()) {
      return;
    }
    if (disk === null || !this.moved(disk)) {
      this.isStale = false;
      return;
    }
    // Read once more by `revert`, which withSaveLock moves the hash; a file that cannot be read as a
    // notebook must not get that far, for it would show a dialog.
    readDocument((await this.look(true))?.content);
    if (this.isEnded()) {
      return;
    }
    this.isRebasing = true;
    try {
      await context.revert();
    } finally {
      this.isRebasing = false;
    }
    this.isStale = false;
  }

  /** The content of the file came in: by a rebase, or because the person wants the file back. */
  private load(value: Parameters<INotebookModel['fromJSON']>[0]): void {
    const { model } = this.context;
    if (!this.isRebasing) {
      this.original?.fromJSON(value);
      this.base = documentOf(model);
      this.put.clear();
      for (const write of [...this.unsaved]) {
        this.unsaved.delete(write);
        this.emitOutcome(write, 'refused');
      }
      return;
    }
    const mine = documentOf(model);
    const theirs = readDocument(value, mine);
    const hadEdits = model.dirty;
    const merge = mergeNotebooks(this.base, mine, theirs, runningCells(model));
    const foreign = hasForeign(this.base, theirs);
    applyDocument(model, merge.document);
    this.base = theirs;
    model.dirty = !sameDocument(documentOf(model), theirs);
    this._rebased.emit({ hadEdits, conflicts: merge.conflicts, foreign });
  }

  /** Learn what the file holds when the tab was dirty already. */
  private async findBase(): Promise<void> {
    try {
      const disk = await this.look(true);
      if (disk !== null && !this.moved(disk)) {
        this.base = readDocument(disk.content, documentOf(this.context.model));
      }
    } catch {
      // Without a base both sides count as changed: that keeps everything.
    }
  }

  /** The file as the contents service has it; `null` where there is none. */
  private async look(content: boolean): Promise<Contents.IModel | null> {
    try {
      return await this.contents.get(this.context.path, {
        content,
        hash: true,
        ...(content ? { type: 'notebook', format: 'json' as const } : {})
      });
    } catch (error) {
      if (isMissing(error)) {
        return null;
      }
      throw error;
    }
  }

  private moved(disk: Contents.IModel): boolean {
    const seen = this.context.contentsModel;
    if (seen === null) {
      return false;
    }
    // Contents services may know hashes or not.
    return typeof disk.hash === 'string' && typeof seen.hash === 'string'
      ? disk.hash !== seen.hash
      : Date.parse(disk.last_modified) > Date.parse(seen.last_modified);
  }

  private baseMetadata(id: string): JsonObject | undefined {
    return this.base?.cells.find(cell => cell.id === id)?.metadata;
  }

  private emitOutcome(write: number, outcome: WriteOutcome['outcome']): void {
    const document = outcome === 'refused' ? this.document() : null;
    const hash = outcome === 'saved' ? this.hash : null;
    this._writeSettled.emit({ write, outcome, hash, document });
  }
}

/** Whether the file has other changes since `base` than to cells of an analysis. */
function hasForeign(base: NotebookJson | null, theirs: NotebookJson): boolean {
  const was = new Map(base?.cells.map(cell => [cell.id, cell]));
  return theirs.cells.some(cell => {
    const old = was.get(cell.id);
    return old?.source !== cell.source && !('role' in notesOf(cell));
  });
}

function isMissing(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'response' in error &&
    error.response instanceof Response &&
    error.response.status === 404
  );
}

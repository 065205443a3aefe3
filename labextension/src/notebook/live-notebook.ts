/**
 * One open notebook of an analysis. It applies what the server writes, and guards every save, so
 * that file and tab stay in step and the user is never asked which of the two to discard.
 *
 * With a live room (`model.collaborative`) the room writes the file; then only the comparison of
 * the file is kept out of the user's own save (`saving.ts`).
 *
 * The guard replaces two methods of the instances: `context.save`, which the Save command, Save
 * All and the autosave call, and `model.fromJSON`, which receives the content of the file. Before
 * a save the file's hash is compared; if it changed, the file is loaded and merged with the tab
 * (`merge.ts`). Only what differs is changed in the model.
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

/** The result of a write; with the whole notebook if it was refused. */
export interface WriteOutcome {
  readonly write: number;
  readonly outcome: 'saved' | 'unsaved' | 'refused';
  readonly hash: string | null;
  readonly document: NotebookJson | null;
}

/** How a changed file was merged with the tab. */
export interface Rebase {
  /** Whether the user had unsaved edits. */
  readonly hadEdits: boolean;
  /** Cells whose text both sides changed; the file's version is below the user's. */
  readonly conflicts: readonly string[];
  /** Whether the file has changes that do not come from the analysis. */
  readonly foreign: boolean;
}

/** A check of the file that took longer than this may be out of date (milliseconds). */
const LONG = 5000;

interface Original {
  readonly save: () => Promise<void>;
  readonly fromJSON: INotebookModel['fromJSON'];
}

/** Created for each open notebook of an analysis; disposed with its context. */
export class LiveNotebook {
  private base: NotebookJson | null = null;
  private queue: Promise<unknown> = Promise.resolve();
  private changes = 0;
  private isStale = false;
  private isRebasing = false;
  private ended = false;
  /** Writes that are in the model and not in the file yet. */
  private readonly unsaved = new Set<number>();
  /** The metadata of cells as the server wrote it since the last save. */
  private readonly put = new Map<string, JsonObject>();
  private readonly original: Original | null = null;
  private readonly leaveRoom: () => void = () => undefined;
  private readonly _writeSettled = new Signal<this, WriteOutcome>(this);
  private readonly _rebased = new Signal<this, Rebase>(this);

  /**
   * @param context - The context of a loaded notebook.
   * @param contents - Reads its file.
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

  /** Emitted when a write was saved, waits for a save, or was refused. */
  get writeSettled(): ISignal<this, WriteOutcome> {
    return this._writeSettled;
  }

  /** Emitted when the file's changes were merged with the tab. */
  get rebased(): ISignal<this, Rebase> {
    return this._rebased;
  }

  /** Whether a live room synchronises the notebook. */
  get collaborative(): boolean {
    return this.context.model.collaborative === true;
  }

  /** Whether the tab has unsaved changes. */
  get dirty(): boolean {
    return this.context.model.dirty;
  }

  /** Whether a cell that the user started is running. */
  get busy(): boolean {
    return !this.isEnded() && runningCells(this.context.model).size > 0;
  }

  /** Return the notebook as it is in the tab. */
  document(): NotebookJson {
    return documentOf(this.context.model);
  }

  /** Restore the methods of the context. Idempotent. */
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

  /** Apply the changes of the server, all or none, and save unless the user has unsaved edits. */
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
      // The user has no unsaved edits, so closing the tab now need not ask.
      model.dirty = false;
      if (!(await this.saveOurs()) && !this.isEnded()) {
        model.dirty = true;
        this.emitOutcome(write, 'unsaved');
      }
    });
  }

  /**
   * Load what the file holds: now if the tab is idle, else before the next save.
   *
   * @param hash - The hash of the file, if known. If the tab has seen it, nothing is done.
   */
  changedOnDisk(hash: string | null = null): Promise<void> {
    if (this.original === null || (hash !== null && hash === this.hash)) {
      return Promise.resolve();
    }
    this.isStale = true;
    return this.catchUp();
  }

  /** Load a change that {@link changedOnDisk} put off; called when the tab becomes idle. */
  catchUp(): Promise<void> {
    return this.inTurn(async () => {
      if (!this.isStale || this.dirty || this.busy) {
        return;
      }
      await this.rebase().catch(() => {
        // The server or the file cannot be read; the next save checks again.
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

  /** Run one task at a time, so that writes, saves and rebases of a notebook do not interleave. */
  private inTurn(task: () => Promise<void>): Promise<void> {
    const mine = this.queue.then(() => (this.isEnded() ? undefined : task()));
    this.queue = mine.catch(() => undefined);
    return mine;
  }

  /** Save for the user or the autosave. */
  private save(): Promise<void> {
    return withSaveLock(this.context.path, async () => {
      try {
        await this.rebaseNow();
      } catch {
        // JupyterLab's own save then finds and reports what is wrong with the file.
      }
      await this.saveNow();
    });
  }

  /** Save what the server wrote, without any dialog; returns whether it was saved. */
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
    const written = [...this.unsaved];
    await this.original?.save();
    if (context.isDisposed) {
      return;
    }
    this.base = snapshot;
    this.put.clear();
    // JupyterLab marks a notebook clean although the user changed it during the save.
    if (this.changes !== before && !sameDocument(snapshot, documentOf(model))) {
      model.dirty = true;
    }
    for (const write of written) {
      this.unsaved.delete(write);
      this.emitOutcome(write, 'saved');
    }
  }

  /** Rebase, and again if it took so long (the computer slept) that the file may have changed. */
  private async rebaseNow(): Promise<void> {
    let begun: number;
    do {
      begun = Date.now();
      await this.rebase();
    } while (Date.now() - begun > LONG && !this.isEnded());
  }

  /**
   * Merge the file with the tab if the file changed since the tab last read or wrote it.
   *
   * @throws If the file cannot be read.
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
    // `revert` reads the file once more, because only it updates the hash. A file that is not a
    // notebook must not get that far: `revert` would show a dialog.
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

  /** Receive the content of the file: in a rebase, or because the user reverts to the file. */
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

  /** Read the file as the base of merges, if the tab had unsaved edits from the start. */
  private async findBase(): Promise<void> {
    try {
      const disk = await this.look(true);
      if (disk !== null && !this.moved(disk)) {
        this.base = readDocument(disk.content, documentOf(this.context.model));
      }
    } catch {
      // Without a base both sides count as changed, which keeps everything.
    }
  }

  /** Return the file from the contents service, or `null` if it does not exist. */
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
    // Not every contents service has hashes.
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

/** Return whether the file has other changes since `base` than in cells of an analysis. */
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

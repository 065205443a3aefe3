/** Saves that do not collide: through a live room, and among the tabs of one browser. */
import type { NotebookPanel } from '@jupyterlab/notebook';

type NotebookContext = NotebookPanel['context'];

/** More than the clocks of a server and a browser differ (milliseconds). */
const A_DAY = 86_400_000;

/**
 * Save through the room without comparing the file with what this page last read of it.
 *
 * Only the room writes the file, and it loads what another program wrote. The page learns of the
 * room's saves late and of such a change not at all, so JupyterLab would ask the user whether to
 * overwrite the user's own work. During a save, this gives JupyterLab nothing to compare.
 *
 * @returns A function that restores the method.
 */
export function saveThroughRoom(context: NotebookContext): () => void {
  const save = context.save.bind(context);
  const one = async (): Promise<void> => {
    shadowContentsModel(context);
    try {
      await save();
    } finally {
      restoreContentsModel(context);
    }
  };
  // Saves run one after another, because each changes what the next would compare.
  let last: Promise<void> = Promise.resolve();
  const mine = (): Promise<void> => {
    last = last.then(one, one);
    return last;
  };
  context.save = mine;
  return () => {
    if (context.save === mine) {
      context.save = save;
    }
  };
}

/**
 * Let `contentsModel`, a getter of the class, return a file that is newer than any file on disk,
 * until the real value changes, whose time JupyterLab then shows.
 */
function shadowContentsModel(context: NotebookContext): void {
  restoreContentsModel(context);
  const seen = context.contentsModel;
  if (seen === null) {
    return;
  }
  const last_modified = new Date(Date.now() + A_DAY).toISOString();
  const uncompared = { ...seen, hash: undefined, last_modified };
  const prototype = Object.getPrototypeOf(context) as object;
  Object.defineProperty(context, 'contentsModel', {
    configurable: true,
    get: () => {
      const now = Reflect.get(prototype, 'contentsModel', context) as typeof seen;
      const same = now.hash === seen.hash && now.last_modified === seen.last_modified;
      return same ? uncompared : now;
    }
  });
}

function restoreContentsModel(context: NotebookContext): void {
  Reflect.deleteProperty(context, 'contentsModel');
}

/** How long to wait for another tab that saves, which may be suspended (milliseconds). */
const LOCK_TIMEOUT = 5000;

/**
 * Run `task` while no other tab of this browser runs one for the same path. If the browser has
 * no locks (they need HTTPS or localhost), or the other tab takes too long, it runs anyway.
 */
export async function withSaveLock<T>(path: string, task: () => Promise<T>): Promise<T> {
  const { locks } = globalThis.navigator as { locks?: LockManager };
  if (locks === undefined) {
    return task();
  }
  const signal = AbortSignal.timeout(LOCK_TIMEOUT);
  const begun = { yet: false };
  try {
    return await locks.request(`analyst-kernel:${path}`, { signal }, () => {
      begun.yet = true;
      return task();
    });
  } catch (error) {
    if (begun.yet) {
      throw error;
    }
    return task();
  }
}

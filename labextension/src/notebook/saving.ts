/** Lets the person save a notebook that a live room synchronises, without a word about its file. */
import type { NotebookPanel } from '@jupyterlab/notebook';

type NotebookContext = NotebookPanel['context'];

/** Further ahead than the clocks of a server and a browser differ (milliseconds). */
const A_DAY = 86_400_000;

/**
 * Save through the room without comparing the file with what this page last heard of it.
 *
 * The room withSaveLock writes the file, and takes over what another program wrote. The page hears of the
 * room's saves a moment late and of such a change not at all, so JupyterLab would ask the person
 * whether to overwrite what is their own. Here it finds nothing to compare while it saves.
 *
 * @returns What takes this away again.
 */
export function saveThroughRoom(context: NotebookContext): () => void {
  const save = context.save.bind(context);
  const one = async (): Promise<void> => {
    hide(context);
    try {
      await save();
    } finally {
      show(context);
    }
  };
  // One after another: what one save learns of the file must not meet what the next compares.
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
 * Let `contentsModel`, a getter of the class, tell of a file that nothing on the disk is newer than,
 * until it tells of another one: JupyterLab shows its time then.
 */
function hide(context: NotebookContext): void {
  show(context);
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

function show(context: NotebookContext): void {
  Reflect.deleteProperty(context, 'contentsModel');
}

/** How long a tab that saves is waited for (milliseconds): it may have been put to sleep. */
const LOCK_TIMEOUT = 5000;

/**
 * Run `task` while no other tab of this browser runs one for the same path. Where the browser has
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

/** Lets the tabs of one browser save a file one after another, so that none overtakes another. */

/** How long a tab that saves is waited for (milliseconds): it may have been put to sleep. */
const PATIENCE = 5000;

/**
 * Run `task` while no other tab of this browser runs one for the same path. Where the browser has
 * no locks (they need HTTPS or localhost), or the other tab takes too long, it runs anyway.
 */
export async function alone<T>(path: string, task: () => Promise<T>): Promise<T> {
  const { locks } = globalThis.navigator as { locks?: LockManager };
  if (locks === undefined) {
    return task();
  }
  const signal = AbortSignal.timeout(PATIENCE);
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

/** A name by which the server knows a tab again after a reload of its page. */
import { UUID } from '@lumino/coreutils';

const KEY = 'analyst-kernel:tab';

/**
 * Return the tab's name. It is kept only while the page is away: a tab that is duplicated copies
 * the storage of the first, and must not take its name too.
 */
export function tabName(storage: Storage, page: EventTarget = window): string {
  let name: string = UUID.uuid4();
  try {
    name = storage.getItem(KEY) ?? name;
    storage.removeItem(KEY);
    page.addEventListener('pagehide', () => {
      storage.setItem(KEY, name);
    });
    page.addEventListener('pageshow', () => {
      storage.removeItem(KEY);
    });
  } catch {
    // Without a storage the name is new after each reload.
  }
  return name;
}

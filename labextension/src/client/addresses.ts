/** The addresses of the server extension. */
import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';

const NAMESPACE = 'analyst-kernel';

/** Return the address of a REST route, e.g. `api/status`. Each part of the path is escaped. */
export function restAddress(
  settings: ServerConnection.ISettings,
  parts: readonly string[],
  query: Readonly<Record<string, string>> = {}
): string {
  const path = URLExt.join(settings.baseUrl, NAMESPACE, 'api', ...parts.map(encodeURIComponent));
  const search = new URLSearchParams(query).toString();
  return search === '' ? path : `${path}?${search}`;
}

/** Return the address of the socket, with the token if Jupyter expects it there. */
export function socketAddress(settings: ServerConnection.ISettings): string {
  const address = URLExt.join(settings.wsUrl, NAMESPACE, 'socket');
  return settings.appendToken && settings.token !== ''
    ? `${address}?token=${encodeURIComponent(settings.token)}`
    : address;
}

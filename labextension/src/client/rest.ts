/** The REST routes, typed. `ServerConnection` adds Jupyter's own token and XSRF. */
import { ServerConnection } from '@jupyterlab/services';
import { restAddress } from './addresses';
import { ConnectionLost, RequestFailed } from './errors';
import type {
  AnalysisSummary,
  Completion,
  DatabaseColumns,
  DatabaseConnection,
  DatabaseList,
  DatabaseTable,
  DatabaseTables,
  DatabaseTried,
  DatasetProfile,
  ExportFormat,
  InstructionsFile,
  Models,
  SavedKey,
  SentRequest,
  Spent,
  Status
} from './records';

/** How an analysis begins: in a folder of the server, or with an existing notebook. */
export interface NewAnalysis {
  readonly title?: string;
  readonly notebook?: string;
  readonly folder?: string;
}

/** Where a branch begins: at a cell, at the end of a run, or with neither at the last cell. */
export interface BranchPoint {
  readonly cell?: string;
  readonly run?: string;
}

/** A key for a provider at an address; with an empty `url`, at the address in use. */
export interface NewKey {
  readonly provider: string;
  readonly key: string;
  readonly url: string;
  readonly anyway: boolean;
}

/** A database to add to the user's list; the address holds no password. */
export interface NewConnection {
  readonly name: string;
  readonly address: string;
  readonly password_from: string;
  readonly password: string;
  readonly max_rows?: number;
  readonly max_megabytes?: number;
  readonly max_seconds?: number;
  readonly ask_above_rows?: number | null;
  readonly ask_above_cost?: number | null;
}

/** Lists and single actions. Everything about a running analysis goes over the socket. */
export class AnalystRest {
  constructor(readonly settings: ServerConnection.ISettings) {}

  /** Fetch the versions, the default model, the isolation and the examples. */
  status(): Promise<Status> {
    return this.get<Status>(['status']);
  }

  /** Fetch all analyses, the newest first. */
  analyses(): Promise<readonly AnalysisSummary[]> {
    return this.get<readonly AnalysisSummary[]>(['analyses']);
  }

  /** Start an analysis; with `notebook` (a server path) it continues that notebook. */
  create(options: NewAnalysis = {}): Promise<AnalysisSummary> {
    return this.request<AnalysisSummary>('POST', ['analyses'], {}, JSON.stringify(options));
  }

  /** Change the title of an analysis. */
  rename(analysis: string, title: string): Promise<unknown> {
    return this.request('PATCH', ['analyses', analysis], {}, JSON.stringify({ title }));
  }

  /** Delete an analysis, and its notebook too unless `keepNotebook`. */
  remove(analysis: string, keepNotebook: boolean): Promise<unknown> {
    return this.request('DELETE', ['analyses', analysis], {
      notebook: keepNotebook ? 'keep' : 'delete'
    });
  }

  /** Start an analysis from a cell of another analysis, with its state. */
  branch(analysis: string, from: BranchPoint): Promise<AnalysisSummary> {
    const parts = ['analyses', analysis, 'branch'];
    return this.request<AnalysisSummary>('POST', parts, {}, JSON.stringify(from));
  }

  /** Fetch the completions of `@prefix`. */
  completions(analysis: string, prefix: string): Promise<readonly Completion[]> {
    return this.get<readonly Completion[]>(['analyses', analysis, 'completions'], { prefix });
  }

  /** Fetch the datasets that were granted to an analysis. */
  datasets(analysis: string): Promise<readonly DatasetProfile[]> {
    return this.get<readonly DatasetProfile[]>(['datasets'], { analysis });
  }

  /** Fetch the requests that were sent to models and hold `search`, without their bodies. */
  sent(analysis: string, search: string): Promise<readonly SentRequest[]> {
    return this.get<readonly SentRequest[]>(['analyses', analysis, 'sent'], { search });
  }

  /** Fetch the body of one of them, byte for byte. */
  async sentBody(analysis: string, { number, time }: SentRequest): Promise<Blob> {
    const parts = ['analyses', analysis, 'sent', String(number)];
    return (await this.fetch('GET', parts, { time })).blob();
  }

  /** Fetch all of them as a ZIP file. */
  async sentArchive(analysis: string): Promise<Blob> {
    return (await this.fetch('GET', ['analyses', analysis, 'sent'], { to: 'zip' })).blob();
  }

  /** Fetch the files with rules of an analysis, or of a new one in a folder of the server. */
  instructions(
    analysis: string | null,
    folder: string | null
  ): Promise<readonly InstructionsFile[]> {
    const query = analysis !== null ? { analysis } : folder !== null ? { folder } : { folder: '' };
    return this.get<readonly InstructionsFile[]>(['instructions'], query);
  }

  /** Upload a file into the notebook's folder and grant it. */
  upload(analysis: string, file: File): Promise<unknown> {
    const form = new FormData();
    form.append('file', file, file.name);
    return this.request('POST', ['upload'], { analysis }, form);
  }

  /** Fetch what an analysis and all analyses of today used, and the limit for each day. */
  usage(analysis: string | null): Promise<Spent> {
    return this.get<Spent>(['usage'], analysis === null ? {} : { analysis });
  }

  /** Limit what all analyses of a day may cost, in US dollars; `null` for no limit. */
  limitDay(amount: number | null): Promise<Spent> {
    return this.request('POST', ['usage'], {}, JSON.stringify({ day_usd: amount }));
  }

  /** Fetch the providers, their keys and models; servers on that computer are asked on request. */
  models(lookForLocal = false): Promise<Models> {
    return this.get<Models>(['models'], lookForLocal ? { local: '1' } : {});
  }

  /** Have a provider's key checked and saved; `anyway` saves it without a check. */
  saveKey(key: NewKey): Promise<SavedKey> {
    return this.request<SavedKey>('POST', ['models', 'key'], {}, JSON.stringify(key));
  }

  /** Delete a provider's key from the server. */
  forgetKey(provider: string): Promise<unknown> {
    return this.request('DELETE', ['models', 'key'], { provider });
  }

  /** Fetch the user's list of databases. */
  connections(): Promise<DatabaseList> {
    return this.get<DatabaseList>(['connections']);
  }

  /** Add a database to the list, or change the one of its name. */
  addConnection(added: NewConnection): Promise<DatabaseConnection> {
    return this.request('POST', ['connections'], {}, JSON.stringify(added));
  }

  /** Remove a database from the list, and its stored password. */
  removeConnection(name: string): Promise<unknown> {
    return this.request('DELETE', ['connections', name]);
  }

  /** Sign in to a database; the server gives up when `signal` aborts. */
  tryConnection(name: string, signal: AbortSignal): Promise<DatabaseTried> {
    return this.request('POST', ['connections', name], {}, undefined, signal);
  }

  /** Fetch the tables that hold `search` in a name of theirs; `again` asks the database anew. */
  tables(
    name: string,
    search: string,
    again: boolean,
    signal: AbortSignal
  ): Promise<DatabaseTables> {
    const query = { search, again: again ? '1' : '0' };
    return this.request('GET', ['connections', name, 'tables'], query, undefined, signal);
  }

  /** Fetch the columns of a table. */
  columns(name: string, table: DatabaseTable, signal: AbortSignal): Promise<DatabaseColumns> {
    const query = { schema: table.schema, table: table.name };
    return this.request('GET', ['connections', name, 'tables'], query, undefined, signal);
  }

  /**
   * Fetch an export; the file's name comes from the server. `verified` is the result of a re-run
   * (`reproduced 7 of 7`), or empty without a re-run.
   */
  async export(
    analysis: string,
    to: ExportFormat,
    clean: boolean
  ): Promise<{ name: string; content: Blob; verified: string }> {
    const response = await this.fetch('GET', ['analyses', analysis, 'export'], {
      to,
      clean: clean ? '1' : '0'
    });
    const header = response.headers.get('Content-Disposition') ?? '';
    const verified = response.headers.get('X-Analyst-Verified') ?? '';
    return { name: fileName(header) ?? `analysis.${to}`, content: await response.blob(), verified };
  }

  private get<T>(parts: readonly string[], query: Record<string, string> = {}): Promise<T> {
    return this.request<T>('GET', parts, query);
  }

  private async request<T>(
    method: string,
    parts: readonly string[],
    query: Record<string, string> = {},
    body?: string | FormData,
    signal?: AbortSignal
  ): Promise<T> {
    const response = await this.fetch(method, parts, query, body, signal);
    const text = await response.text();
    return (text === '' ? null : JSON.parse(text)) as T;
  }

  private async fetch(
    method: string,
    parts: readonly string[],
    query: Record<string, string>,
    body?: string | FormData,
    signal?: AbortSignal
  ): Promise<Response> {
    const init: RequestInit = { method, ...(body !== undefined && { body }) };
    if (signal !== undefined) {
      init.signal = signal;
    }
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(
        restAddress(this.settings, parts, query),
        init,
        this.settings
      );
    } catch {
      throw new ConnectionLost(
        'The Jupyter server is not answering.',
        'Check whether it still runs, then try again.'
      );
    }
    if (!response.ok) {
      throw await failure(response);
    }
    return response;
  }
}

/** Return the failure that the server describes. A proxy's page yields only its status. */
async function failure(response: Response): Promise<RequestFailed> {
  let message = `The server answered ${String(response.status)} ${response.statusText}.`;
  let remedy = '';
  try {
    const body: unknown = await response.json();
    if (typeof body === 'object' && body !== null) {
      if ('message' in body && typeof body.message === 'string' && body.message !== '') {
        message = body.message;
      }
      if ('remedy' in body && typeof body.remedy === 'string') {
        remedy = body.remedy;
      }
    }
  } catch {
    // The body is not JSON, so only the status is known.
  }
  return new RequestFailed(message, remedy, response.status);
}

/** Return the file name in a `Content-Disposition` header, or `null` if it has none. */
export function fileName(header: string): string | null {
  const extended = /filename\*\s*=\s*UTF-8''([^;]+)/i.exec(header);
  if (extended?.[1] !== undefined) {
    try {
      return decodeURIComponent(extended[1].trim());
    } catch {
      // The plain parameter is read instead of a name that cannot be decoded.
    }
  }
  return /filename\s*=\s*"?([^";]+)"?/i.exec(header)?.[1]?.trim() ?? null;
}

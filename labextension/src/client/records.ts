/** The answers of the REST routes that are not records of the protocol. */
import type { AnalysisSummary, DatasetProfile, SandboxReport, Usage } from '../protocol/generated';

export type { AnalysisSummary, DatasetProfile, SandboxReport };

/** A question about a data file that ships with the package. */
export interface Example {
  readonly question: string;
  readonly path: string;
  readonly dataset: string;
  readonly rows: number | null;
}

/** `GET api/status`. `locked` names what the administrator fixed, each with its value. */
export interface Status {
  readonly version: string;
  readonly default_model: string;
  readonly is_ai: boolean;
  readonly providers_with_credentials: readonly string[];
  readonly sandbox: SandboxReport | null;
  readonly locked: Readonly<Record<string, unknown>>;
  readonly examples: readonly Example[];
  /** Sentences about what does not work properly on this server. */
  readonly notices?: readonly string[];
}

/** What a user may set for a provider; names of variables and no values. */
export interface ProviderSettings {
  readonly key_variable: string;
  readonly needs_key: boolean;
  /** The provider's own address; empty where only the user knows it. */
  readonly url: string;
  /** Empty where the host is fixed. */
  readonly url_variable: string;
}

/** `GET api/usage`. `day` is the server's date; `problem` says why the sums may be too small. */
export interface Spent {
  readonly day: string;
  readonly analysis_usage: Usage;
  readonly day_usage: Usage;
  readonly day_limit_usd: number | null;
  readonly problem: string;
}

/** One provider of `GET api/models`; never holds a secret. */
export interface ProviderInfo {
  readonly name: string;
  readonly label: string;
  readonly has_credentials: boolean;
  readonly credential_source: string;
  readonly default_model: string;
  readonly models: readonly string[];
  readonly note: string;
  readonly is_ai: boolean;
  /** `null` if the provider is set up by other means than keys. */
  readonly settings?: ProviderSettings | null;
}

/** A key or address that is set, and where it comes from; never holds a secret. */
export interface KeyState {
  readonly provider: string;
  readonly source: 'environment' | 'settings' | 'keyring' | 'file';
  readonly host: string;
  readonly url: string;
  readonly has_key: boolean;
  readonly removable: boolean;
  /** Why it is not used; empty if it is. */
  readonly unused: string;
  readonly variable: string;
}

/** What became of a key that was to be saved. */
export interface SavedKey {
  readonly saved: boolean;
  readonly verdict: 'accepted' | 'refused' | 'unreachable' | 'elsewhere' | 'unchecked';
  readonly what: string;
  readonly remedy: string;
}

/** `GET api/models`. `local` are full names of models that answer on this computer. */
export interface Models {
  readonly default: string;
  readonly providers: readonly ProviderInfo[];
  readonly local: readonly string[];
  readonly keys?: readonly KeyState[];
  /** Where a key is stored that is added now; empty if none may be. */
  readonly key_place?: 'keyring' | 'file' | '';
  /** What of the stored keys cannot be read; empty for nothing. */
  readonly problem?: string;
}

/** One request that was sent to a model. `address` has no query, where keys could be. */
export interface SentRequest {
  readonly number: number;
  readonly time: string;
  readonly address: string;
  readonly bytes: number;
  readonly privacy: 'full' | 'no-values' | 'schema-only';
}

/** A file with rules that go with every question. `text` is empty if it cannot be used. */
export interface InstructionsFile {
  readonly place: 'user' | 'project' | 'given';
  readonly path: string;
  readonly digest: string;
  readonly state: 'holds' | 'off' | 'new' | 'changed' | 'unusable';
  readonly text: string;
  readonly problem: string;
}

export interface Completion {
  readonly label: string;
  readonly kind: 'dataset' | 'column' | 'variable' | 'cell';
  readonly insert: string;
  readonly detail: string;
}

/** The forms that an analysis is exported to. */
export type ExportFormat = 'ipynb' | 'html' | 'py';

/** A database of the user's list; its address holds no password. */
export interface DatabaseConnection {
  readonly name: string;
  readonly engine: string;
  readonly address: string;
  /** `stored`, `keyring`, `libpq`, or `env:` and the name of a variable. */
  readonly password_from: string;
  readonly max_rows: number;
  readonly max_megabytes: number;
  readonly max_seconds: number;
  /** Estimates above which a query waits for the user; `null` for none. */
  readonly ask_above_rows: number | null;
  readonly ask_above_cost: number | null;
}

/** A kind of database. */
export interface DatabaseEngine {
  readonly name: string;
  readonly title: string;
  /** An address. */
  readonly example: string;
  /** The command that installs its driver; empty if that is there. */
  readonly install: string;
}

/** `GET api/connections`. */
export interface DatabaseList {
  readonly connections: readonly DatabaseConnection[];
  readonly engines: readonly DatabaseEngine[];
  /** Where a password is stored; empty if none may be stored here. */
  readonly password_place: 'keyring' | 'file' | '';
  /** Why the list cannot be read; empty if it can. */
  readonly problem: string;
}

/** Who signed in where, and what that role could change elsewhere; or empty. */
export interface DatabaseTried {
  readonly said: string;
  readonly warning: string;
}

/** A table or view of a database, without its columns. */
export interface DatabaseTable {
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  /** The server's estimate, or `null` if it has none. */
  readonly rows: number | null;
  readonly columns: number;
}

/** The first of the tables that were found. */
export interface DatabaseTables {
  readonly version: string;
  readonly total: number;
  readonly found: number;
  readonly tables: readonly DatabaseTable[];
}

/** The columns of a table, and how many more it has. */
export interface DatabaseColumns {
  readonly left: number;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly key: boolean;
    readonly refers_to: string;
  }[];
}

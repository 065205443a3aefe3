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
}

/** `GET api/models`. `local` are full names of models that answer on this computer. */
export interface Models {
  readonly default: string;
  readonly providers: readonly ProviderInfo[];
  readonly local: readonly string[];
}

export interface Completion {
  readonly label: string;
  readonly kind: 'dataset' | 'column' | 'variable' | 'cell';
  readonly insert: string;
  readonly detail: string;
}

/** The forms that an analysis is exported to. */
export type ExportFormat = 'ipynb' | 'html' | 'py';

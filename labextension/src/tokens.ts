/** What the extension's plugins offer each other, and others. */
import { Token } from '@lumino/coreutils';
import type { BranchPoint } from './client/rest';
import type { AnalystStore } from './session/store';
import type { PanelModel } from './session/panel-model';

/** The package's name: the first half of each plugin's id. */
export const PACKAGE = 'analyst-kernel';

/** All that this tab knows of the server's analyses. */
export const IAnalystStore = new Token<IAnalystStore>(
  `${PACKAGE}:IAnalystStore`,
  'The analyses of the server: their states, commands, lists.'
);
/** See {@link AnalystStore}. */
export type IAnalystStore = AnalystStore;

/** The panels. */
export interface IAnalystPanels {
  /** The model of the sidebar's panel. */
  readonly sidebar: PanelModel;
  /** Bring the sidebar to the front, the cursor in the question box. */
  activate(): void;
  /** The panel that a command means: the tab in front, else the sidebar. */
  current(): PanelModel;
  /** Whether this application has room for tabs beside the sidebar. */
  readonly hasTabs: boolean;
  /** Open an analysis in a tab of the main area. */
  openBeside(analysis: string): void;
  /** Whether the person can see this analysis now. */
  isShown(analysis: string): boolean;
  /** Open the notebook of an analysis, at a cell where one is named. */
  openNotebook(analysis: string, cell?: string): Promise<void>;
  /** Show the analysis of a notebook in the sidebar; one that has none becomes an analysis. */
  showNotebook(path: string): Promise<void>;
  /** Start an analysis from a cell of another one, or from its end, and show it. */
  branch(analysis: string, from?: BranchPoint): Promise<void>;
  /** Save an export on the person's computer. */
  exportAnalysis(analysis: string, to: 'ipynb' | 'html' | 'py', clean: boolean): Promise<void>;
  /** Let the person choose files of the server; `null` where that is not possible here. */
  readonly chooseFiles: (() => Promise<readonly string[]>) | null;
}

/** The panels of the extension. */
export const IAnalystPanels = new Token<IAnalystPanels>(
  `${PACKAGE}:IAnalystPanels`,
  'The sidebar and the tabs that show analyses.'
);

/**
 * A notebook as JSON, as it travels between the server and the tab that has it open.
 *
 * The generated types allow any JSON object there; these name what it holds. They are type aliases
 * because TypeScript assigns an interface to no JSON object, and their arrays are not `readonly`
 * because those of the generated types are not.
 */
/* eslint @typescript-eslint/consistent-type-definitions: ["error", "type"] */
import type { JsonValue } from './generated';

/** A JSON object. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** One cell. Texts are joined, and absent keys are absent (not `undefined`). */
export type CellJson = {
  readonly id: string;
  readonly cell_type: 'code' | 'markdown' | 'raw';
  readonly source: string;
  readonly metadata: JsonObject;
  /** Only of code cells. */
  readonly outputs?: JsonObject[];
  /** Only of code cells. */
  readonly execution_count?: number | null;
  readonly attachments?: JsonObject;
};

/** A whole notebook (nbformat 4). Every cell has an id of its own. */
export type NotebookJson = {
  readonly cells: CellJson[];
  readonly metadata: JsonObject;
  readonly nbformat: number;
  readonly nbformat_minor: number;
};

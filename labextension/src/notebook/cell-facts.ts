/** Composes questions about a cell of a notebook. */
import { isCodeCellModel, type Cell } from '@jupyterlab/cells';
import { isError } from '@jupyterlab/nbformat';
import { isObject } from './document';

/** What a question contains of a cell. */
export interface CellFacts {
  readonly source: string;
  readonly prompt: number | null;
  /** The number of a cell of the agent, else 0. */
  readonly number: number;
  /** `KeyError: 'city'`, or `null` if the cell did not fail. */
  readonly error: string | null;
}

/** Return the facts of a cell. */
export function cellFacts(cell: Cell): CellFacts {
  const { model } = cell;
  const source = model.sharedModel.getSource();
  if (!isCodeCellModel(model)) {
    return { source, prompt: null, number: 0, error: null };
  }
  let error: string | null = null;
  for (let index = 0; index < model.outputs.length; index += 1) {
    const output = model.outputs.get(index).toJSON();
    if (isError(output)) {
      error = `${output.ename}: ${output.evalue}`;
    }
  }
  const note: unknown = model.sharedModel.getMetadata('analyst_kernel');
  const number = isObject(note) && typeof note.iteration === 'number' ? note.iteration : 0;
  return { source, prompt: model.executionCount, number, error };
}

/** Return the start of a question about a cell, which the user completes. */
export function cellQuestion(facts: CellFacts, notebook: string): string {
  return `About ${nameOf(facts, 'this cell')} of ${notebook}:\n\n${fenced(facts.source)}\n\n`;
}

/** Return a question that asks for a repair. */
export function repairQuestion(facts: CellFacts, notebook: string): string {
  const name = nameOf(facts, 'This cell').replace(/^cell/, 'Cell');
  const why = facts.error === null ? 'fails' : `fails with ${facts.error}`;
  return `${name} of ${notebook} ${why}. Fix it, and say what was wrong.\n\n${fenced(facts.source)}`;
}

function nameOf(facts: CellFacts, unnamed: string): string {
  if (facts.number > 0) {
    return `cell ${String(facts.number)}`;
  }
  return facts.prompt === null ? unnamed : `cell [${String(facts.prompt)}]`;
}

/** Return code between fences that are longer than any fence in it. */
function fenced(source: string): string {
  const longest = Math.max(2, ...[...source.matchAll(/`+/g)].map(match => match[0].length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}python\n${source}\n${fence}`;
}

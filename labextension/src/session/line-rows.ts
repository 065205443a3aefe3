/** Two texts line by line beside each other. Pure. */
import { alignedLines, type ChangedLine } from './code-change';

/** One line of both sides; `null` where a side has no such line. */
export interface ChangedRow {
  readonly left: string | null;
  readonly right: string | null;
  readonly same: boolean;
}

/** Every line of both texts in order; lines that replace each other stand in one row. */
export function changedRows(before: string | null, after: string | null): readonly ChangedRow[] {
  const aligned = before === null || after === null ? [] : alignedLines(before, after);
  const lines = aligned.length > 0 ? aligned : [...all(before, '-'), ...all(after, '+')];
  const rows: ChangedRow[] = [];
  let gone: string[] = [];
  let come: string[] = [];
  const flush = (): void => {
    for (let i = 0; i < Math.max(gone.length, come.length); i += 1) {
      rows.push({ left: gone[i] ?? null, right: come[i] ?? null, same: false });
    }
    gone = [];
    come = [];
  };
  for (const { mark, text } of lines) {
    if (mark === '-') {
      gone.push(text);
    } else if (mark === '+') {
      come.push(text);
    } else {
      flush();
      rows.push({ left: text, right: text, same: true });
    }
  }
  flush();
  return rows;
}

function all(text: string | null, mark: ChangedLine['mark']): readonly ChangedLine[] {
  return text === null ? [] : text.split('\n').map(line => ({ mark, text: line }));
}

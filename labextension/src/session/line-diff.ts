/** Compares two texts line by line. Pure. */

/** One line of a comparison. */
export interface ChangedLine {
  readonly mark: '-' | '+' | ' ';
  readonly text: string;
}

/** Texts with more lines are not compared: the table of lengths grows with their product. */
const LONGEST = 400;

/** Return only the lines that differ, in order; empty if a text is too long. */
export function changedLines(before: string, after: string): readonly ChangedLine[] {
  return alignedLines(before, after).filter(line => line.mark !== ' ');
}

/** Return the lines of both texts in order, common lines once; empty if a text is too long. */
export function alignedLines(before: string, after: string): readonly ChangedLine[] {
  const old = before.split('\n');
  const fresh = after.split('\n');
  if (old.length > LONGEST || fresh.length > LONGEST) {
    return [];
  }
  const common = commonLengths(old, fresh);
  const lines: ChangedLine[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < fresh.length) {
    const left = old[i];
    const right = fresh[j];
    if (left !== undefined && left === right) {
      lines.push({ mark: ' ', text: left });
      i += 1;
      j += 1;
    } else if (left !== undefined && at(common, i + 1, j) >= at(common, i, j + 1)) {
      lines.push({ mark: '-', text: left });
      i += 1;
    } else if (right !== undefined) {
      lines.push({ mark: '+', text: right });
      j += 1;
    } else {
      lines.push({ mark: '-', text: left ?? '' });
      i += 1;
    }
  }
  return lines;
}

function at(table: readonly (readonly number[])[], i: number, j: number): number {
  return table[i]?.[j] ?? -1;
}

/** Return a table of which `[i][j]` is the length of the longest common subsequence from there on. */
function commonLengths(old: readonly string[], fresh: readonly string[]): number[][] {
  const table = Array.from({ length: old.length + 1 }, () =>
    new Array<number>(fresh.length + 1).fill(0)
  );
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = fresh.length - 1; j >= 0; j -= 1) {
      const row = table[i];
      if (row !== undefined) {
        row[j] =
          old[i] === fresh[j]
            ? 1 + at(table, i + 1, j + 1)
            : Math.max(at(table, i + 1, j), at(table, i, j + 1));
      }
    }
  }
  return table;
}

/** One line of both sides; `null` if a side has no such line. */
export interface ChangedRow {
  readonly left: string | null;
  readonly right: string | null;
  readonly same: boolean;
}

/** Return every line of both texts in order; lines that replace each other share a row. */
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

/** Highlights Python and SQL. Pure; it also accepts incomplete code. */

/** A piece of code and its kind; `plain` is everything without a kind. */
export interface Token {
  readonly kind: 'keyword' | 'text' | 'comment' | 'number' | 'call' | 'plain';
  readonly text: string;
}

const PYTHON_WORDS =
  'and as assert async await break case class continue def del elif else except False finally for ' +
  'from global if import in is lambda match None nonlocal not or pass raise return True try while ' +
  'with yield';
const SQL_WORDS =
  'select from where group by order having join left right inner outer full cross on using as and ' +
  'or not in is null case when then else end distinct limit offset union all with over partition ' +
  'between like ilike asc desc cast create table view values insert into exists filter qualify';

const WORDS: Readonly<Record<'python' | 'sql', ReadonlySet<string>>> = {
  python: new Set(PYTHON_WORDS.split(' ')),
  sql: new Set(SQL_WORDS.split(' '))
};

const PATTERN: Readonly<Record<'python' | 'sql', RegExp>> = {
  python:
    /(#[^\n]*)|([rbfuRBFU]{0,2}(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*(?:"|$|(?=\n))|'(?:\\.|[^'\\\n])*(?:'|$|(?=\n))))|(\b\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?\b)|([A-Za-z_]\w*)/g,
  sql: /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:''|[^'])*(?:'|$)|"(?:""|[^"])*(?:"|$))|(\b\d+(?:\.\d*)?\b)|([A-Za-z_]\w*)/g
};

/** Split code into tokens, which together are the code again. */
export function highlight(code: string, language: 'python' | 'sql'): readonly Token[] {
  const tokens: Token[] = [];
  let end = 0;
  for (const match of code.matchAll(PATTERN[language])) {
    if (match[0] === '') {
      continue;
    }
    if (match.index > end) {
      tokens.push({ kind: 'plain', text: code.slice(end, match.index) });
    }
    end = match.index + match[0].length;
    tokens.push({ kind: kindOf(match, code[end] ?? '', language), text: match[0] });
  }
  if (end < code.length) {
    tokens.push({ kind: 'plain', text: code.slice(end) });
  }
  return tokens;
}

/** Split code into lines of tokens. */
export function highlightLines(
  code: string,
  language: 'python' | 'sql'
): readonly (readonly Token[])[] {
  const lines: Token[][] = [[]];
  for (const { kind, text } of highlight(code, language)) {
    text.split('\n').forEach((part, index) => {
      if (index > 0) {
        lines.push([]);
      }
      if (part !== '') {
        lines.at(-1)?.push({ kind, text: part });
      }
    });
  }
  return lines;
}

function kindOf(match: RegExpMatchArray, next: string, language: 'python' | 'sql'): Token['kind'] {
  const [, comment, text, number, word] = match;
  if (comment !== undefined) {
    return 'comment';
  }
  if (text !== undefined) {
    return 'text';
  }
  if (number !== undefined) {
    return 'number';
  }
  if (word !== undefined && WORDS[language].has(language === 'sql' ? word.toLowerCase() : word)) {
    return 'keyword';
  }
  return next === '(' ? 'call' : 'plain';
}

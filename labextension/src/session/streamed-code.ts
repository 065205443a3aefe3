/**
 * Reads text fields of a JSON object that has not arrived in full. Pure; for display only:
 * nothing read here is ever run.
 */
import type { StreamedTool } from './state';

/** Code that is being streamed. */
export interface StreamedCode {
  readonly language: 'python' | 'sql';
  readonly text: string;
  readonly purpose: string;
}

const FIELD: Readonly<Record<string, { field: string; language: 'python' | 'sql' }>> = {
  run_python: { field: 'code', language: 'python' },
  run_sql: { field: 'sql', language: 'sql' }
};

/** Return the code of a tool call as far as it has arrived; `null` for a tool that runs no code. */
export function codeOf(tool: StreamedTool): StreamedCode | null {
  const kind = Object.hasOwn(FIELD, tool.name) ? FIELD[tool.name] : undefined;
  if (kind === undefined) {
    return null;
  }
  const fields = textFields(tool.input);
  return {
    language: kind.language,
    text: fields.get(kind.field) ?? '',
    purpose: fields.get('purpose') ?? ''
  };
}

/**
 * Return the text fields at the top of a JSON object; the last may be incomplete. An escape that
 * is cut in two is omitted until its rest arrives.
 */
export function textFields(json: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let depth = 0;
  let key: string | null = null;
  let expectsValue = false;
  let position = 0;
  while (position < json.length) {
    const character = json[position];
    if (character === '"') {
      const { text, end } = readText(json, position + 1);
      position = end;
      if (depth === 1 && !expectsValue) {
        key = text;
      } else if (depth === 1 && key !== null) {
        fields.set(key, text);
      }
      continue;
    }
    if (character === '{' || character === '[') {
      depth += 1;
    } else if (character === '}' || character === ']') {
      depth -= 1;
    } else if (depth === 1 && character === ':') {
      expectsValue = true;
    } else if (depth === 1 && character === ',') {
      expectsValue = false;
      key = null;
    }
    position += 1;
  }
  return fields;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  '"': '"',
  '\\': '\\',
  '/': '/'
};

/** Read a JSON text from after its opening quote; `end` is the position after it. */
function readText(json: string, start: number): { text: string; end: number } {
  let text = '';
  let position = start;
  while (position < json.length) {
    const character = json.charAt(position);
    if (character === '"') {
      return { text, end: position + 1 };
    }
    if (character !== '\\') {
      text += character;
      position += 1;
      continue;
    }
    const escape = json.charAt(position + 1);
    if (escape === 'u') {
      const digits = json.slice(position + 2, position + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
        break;
      }
      text += String.fromCharCode(parseInt(digits, 16));
      position += 6;
      continue;
    }
    const meant = ESCAPES[escape];
    if (meant === undefined) {
      break;
    }
    text += meant;
    position += 2;
  }
  return { text, end: json.length };
}

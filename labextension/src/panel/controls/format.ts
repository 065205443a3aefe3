/** Formats numbers, sizes, times and names for display. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CellError, DataWarning, Dataset, Usage } from '../../protocol/generated';
import type { ApprovalMode } from '../../session/state';

const WHOLE = new Intl.NumberFormat('en-US');
const ONE_PLACE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

/** Return a count such as `33,442`; from a million on `1.2 M`. */
export function count(value: number): string {
  return value >= 1_000_000 ? `${ONE_PLACE.format(value / 1e6)} M` : WHOLE.format(value);
}

/** Return a short number of tokens: `940`, `9.1k`, `1.2M`. */
export function tokens(value: number): string {
  if (value < 1000) {
    return String(value);
  }
  return value < 1_000_000
    ? `${ONE_PLACE.format(value / 1000)}k`
    : `${ONE_PLACE.format(value / 1e6)}M`;
}

/** Return US dollars; amounts below a cent are `<$0.01`. */
export function dollars(value: number): string {
  if (value > 0 && value < 0.01) {
    return '<$0.01';
  }
  return `$${value.toFixed(2)}`;
}

/** Return what something cost: `$0.02`, `at least $0.02` if a part is unknown, or `cost unknown`. */
export function costText(usage: Usage, trans: TranslationBundle): string {
  if (usage.cost_usd !== null) {
    return dollars(usage.cost_usd);
  }
  return usage.partial_usd > 0
    ? trans.__('at least %1', dollars(usage.partial_usd))
    : trans.__('cost unknown');
}

/** Return a duration such as `0.2 s`, `38 s`, `2 min 5 s`. */
export function duration(seconds: number): string {
  if (seconds < 0.05) {
    return '<0.1 s';
  }
  if (seconds < 9.95) {
    return `${ONE_PLACE.format(seconds)} s`;
  }
  if (seconds < 59.5) {
    return `${String(Math.round(seconds))} s`;
  }
  const whole = Math.round(seconds);
  return `${String(Math.floor(whole / 60))} min ${String(whole % 60)} s`;
}

/** Return a size such as `3.5 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let amount = value;
  let unit = 0;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${ONE_PLACE.format(amount)} ${units[unit] ?? ''}`;
}

/** Return the last part of a dataset's path, with the name of the sheet if it is one. */
export function datasetLabel(dataset: Dataset): string {
  const file = dataset.path.split(/[\\/]/).at(-1) ?? '';
  const name = file === '' ? dataset.name : file;
  return dataset.table === null ? name : `${name} · ${dataset.table}`;
}

/** Return `33,442 × 12`; `? × 12` if the rows were not counted. */
export function datasetShape(dataset: Dataset): string {
  const columns = WHOLE.format(dataset.columns.length);
  return dataset.rows === null ? `? × ${columns}` : `${count(dataset.rows)} × ${columns}`;
}

/** Return a warning with the name of its column. */
export function warningText({ column, message }: DataWarning): string {
  return column === null ? message : `${column}: ${message}`;
}

/** Return a model's name without its provider, except for the built-in rules. */
export function shortModel(name: string): string {
  const [provider, model] = [name.slice(0, name.indexOf(':')), name.slice(name.indexOf(':') + 1)];
  return provider === 'offline' || model === '' ? name : model;
}

/** Return an error as a sentence, without Python's quotes around the message of a KeyError. */
export function errorMessage(error: CellError): string {
  const message = error.message.trim().replace(/^(["'])([\s\S]*)\1$/, '$2');
  const first = message.split('\n', 1)[0] ?? '';
  const sentence = first.length > 240 ? `${first.slice(0, 240)}…` : first;
  const ended = sentence === '' || /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
  return error.hint === '' ? ended : `${ended} ${error.hint}`.trim();
}

/** Return the name of an approval mode. */
export function approvalName(mode: ApprovalMode, trans: TranslationBundle): string {
  switch (mode) {
    case 'automatic':
      return trans.__('Run automatically');
    case 'cells':
      return trans.__('Ask before each cell');
    case 'plan':
      return trans.__('Edit the plan first');
    default: {
      const rest: never = mode;
      throw new Error(`Unknown mode ${String(rest)}`);
    }
  }
}

/** Return `14:05` for today, else `12 Nov`, in the browser's locale. */
export function moment(seconds: number, now: Date = new Date()): string {
  const date = new Date(seconds * 1000);
  if (date.toDateString() === now.toDateString()) {
    return date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  }
  const sameYear = date.getFullYear() === now.getFullYear();
  return date.toLocaleDateString(undefined, {
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' })
  });
}

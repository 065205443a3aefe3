/** Writes a chart's typed data as CSV. Pure. */
import type { ChartRecord, JsonValue } from '../protocol/generated';

type Row = Readonly<Record<string, JsonValue>>;

/** Return the chart's elements as CSV, or `null` if its data has no table. */
export function chartCsv(data: ChartRecord['data']): string | null {
  if (data === null) {
    return null;
  }
  const rows = tableOf(data, '');
  if (rows.length === 0) {
    return null;
  }
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))];
  const lines = rows.map(row => columns.map(column => field(row[column])).join(','));
  return [columns.map(field).join(','), ...lines].join('\r\n') + '\r\n';
}

/** Return the rows of a chart. With several axes, each row names the title of its axes. */
function tableOf(data: Row, axes: string): Row[] {
  const elements = data.elements;
  if (!Array.isArray(elements)) {
    return [];
  }
  const rows: Row[] = [];
  elements.forEach((element, index) => {
    if (!isRow(element)) {
      return;
    }
    if (Array.isArray(element.elements)) {
      const title = element.title;
      const name = typeof title === 'string' && title !== '' ? title : String(index + 1);
      rows.push(...tableOf(element, name));
      return;
    }
    rows.push(...elementRows(element, data).map(row => (axes === '' ? row : { axes, ...row })));
  });
  return rows;
}

/** Return the rows of one element: one per point, or one with the element's own fields. */
function elementRows(element: Row, chart: Row): Row[] {
  const { points, ...rest } = element;
  if (!Array.isArray(points)) {
    return [rest];
  }
  const x = name(chart.x_label, 'x');
  const y = name(chart.y_label, 'y');
  const label = element.label;
  const series: Row = typeof label === 'string' && label !== '' ? { series: label } : {};
  return points.flatMap((point): Row[] => {
    if (Array.isArray(point)) {
      return [{ ...series, [x]: point[0] ?? null, [y]: point[1] ?? null }];
    }
    return isRow(point) ? [{ ...series, ...point }] : [];
  });
}

function name(label: JsonValue | undefined, fallback: string): string {
  return typeof label === 'string' && label !== '' ? label : fallback;
}

function isRow(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Return one field. Text that a spreadsheet would run as a formula is quoted. */
function field(value: JsonValue | undefined): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (typeof value === 'number' || typeof value === 'boolean') {
    return String(value);
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

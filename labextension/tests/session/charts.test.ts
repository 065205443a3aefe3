import { describe, expect, it } from 'vitest';
import type { ChartRecord } from '../../src/protocol/generated';
import { chartCsv } from '../../src/session/chart-csv';
import { chartGroups } from '../../src/session/charts';
import { emptyAnalysis } from '../../src/session/state';

function chart(id: string, more: Partial<ChartRecord> = {}): ChartRecord {
  return {
    id,
    cell: `cell-${id}`,
    output: 0,
    iteration: 1,
    title: `Chart ${id}`,
    alt: '',
    data: null,
    png: 'AAAA',
    ...more
  };
}

describe('chartGroups', () => {
  const groups = (charts: ChartRecord[]): string[][] =>
    chartGroups({ ...emptyAnalysis('a'), charts }).map(group =>
      group.versions.map(version => version.chart.id)
    );

  it('groups charts with the same title in different cells', () => {
    const title = { title: 'Sales' };
    expect(groups([chart('1', title), chart('2'), chart('3', { title: ' sales' })])).toEqual([
      ['1', '3'],
      ['2']
    ]);
  });

  it('keeps charts of one cell apart, whatever their titles', () => {
    const same = { title: 'Sales', cell: 'c' };
    expect(groups([chart('1', same), chart('2', { ...same, output: 1 })])).toEqual([['1'], ['2']]);
  });

  it('prefers the drawn title to the purpose of the cell', () => {
    const drawn = { data: { title: 'Mileage' } };
    expect(groups([chart('1', drawn), chart('2', drawn)])).toEqual([['1', '2']]);
  });
});

describe('chartCsv', () => {
  it('writes a row for each point of each series', () => {
    const csv = chartCsv({
      type: 'line',
      x_label: 'year',
      y_label: 'km/l, city',
      elements: [
        {
          label: 'petrol',
          points: [
            [2001, 7.5],
            [2002, null]
          ]
        },
        { label: '=SUM(A1)', points: [[2001, 9]] }
      ]
    });
    expect(csv).toBe(
      'series,year,"km/l, city"\r\npetrol,2001,7.5\r\npetrol,2002,\r\n' + "'=SUM(A1),2001,9\r\n"
    );
  });

  it('writes the fields of bars and boxes', () => {
    const csv = chartCsv({ elements: [{ label: 'a "b"', group: 'g', value: 3 }, { label: 'c' }] });
    expect(csv).toBe('label,group,value\r\n"a ""b""",g,3\r\nc,,\r\n');
  });

  it('names the axes of several', () => {
    const inner = { x_label: 'x', y_label: 'y', elements: [{ label: '', points: [[1, 2]] }] };
    const csv = chartCsv({ type: 'superchart', elements: [{ title: 'Left', ...inner }, inner] });
    expect(csv).toBe('axes,x,y\r\nLeft,1,2\r\n2,1,2\r\n');
  });

  it.each([[null], [{}], [{ elements: [] }], [{ elements: 'no' }]])('has no table for %j', data => {
    expect(chartCsv(data)).toBeNull();
  });
});

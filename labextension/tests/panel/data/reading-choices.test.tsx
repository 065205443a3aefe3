// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { ReadingChoices } from '../../../src/panel/data/reading-choices';
import type { Dataset, ReadingChoice } from '../../../src/protocol/generated';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { Log, until as before } from '../../stories/scenes';
import { draw, type Drawn } from '../draw';

const repair = recorded('repair');
const id = repair[0]?.analysis ?? '';

const dates: ReadingChoice = {
  key: 'dates.sold on',
  value: 'day',
  values: ['day', 'month', 'text'],
  sentence: 'Dates that read both ways are read with the day first.',
  column: 'sold on',
  touches: 'columns',
  columns: ['sold on'],
  by_user: false
};
const header: ReadingChoice = {
  ...dates,
  key: 'header',
  value: '3',
  values: [],
  sentence: 'The names of the columns stand in row 3.',
  column: null,
  by_user: true
};
const fixed: ReadingChoice = { ...dates, key: 'bad-rows', value: '', values: [], column: null };

async function drawn(...choices: ReadingChoice[]): Promise<Drawn> {
  const dataset: Dataset = {
    name: 'sales',
    path: '/sales.csv',
    format: 'csv',
    bytes: 9,
    rows: 4,
    columns: ['sold on'],
    table: null,
    options: {},
    address: '',
    load: 'frame',
    choices
  };
  const serve = (server: FakeServer): string => {
    server.add(id, new Log(before(repair, event => event.type === 'run_started')).events);
    return id;
  };
  return draw(<ReadingChoices dataset={dataset} />, serve);
}

describe('the choices of a reading', () => {
  it('say what was assumed, and whose it is', async () => {
    const page = await drawn(dates, header, fixed);
    const texts = page.all('.ak-Reading-text').map(one => one.textContent);
    expect(texts).toEqual([
      'sold on: Dates that read both ways are read with the day first.',
      'You said: The names of the columns stand in row 3.',
      'Dates that read both ways are read with the day first.'
    ]);
    expect(page.all('.ak-Reading-change')).toHaveLength(2);
    expect(page.all('option').map(one => one.textContent)).toEqual([
      'As found: Day first',
      'Day first',
      'Month first',
      'Left as text'
    ]);
  });

  it('send what the user types, and take it back', async () => {
    const page = await drawn(header);
    await page.type(page.one('[aria-label="Row with the names of the columns"]'), '4');
    await page.click(page.button('Read so'));
    expect(page.server.commands.at(-1)).toMatchObject({
      type: 'choose_reading',
      name: 'sales',
      key: 'header',
      value: '4'
    });
    await page.click(page.button('As found'));
    expect(page.server.commands.at(-1)).toMatchObject({ key: 'header', value: '' });
  });

  it('are not there for datasets of earlier versions', async () => {
    const page = await drawn();
    expect(page.all('.ak-Reading')).toHaveLength(0);
  });
});

// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { DataStrip } from '../../../src/panel/data/data-strip';
import { Conversation } from '../../../src/panel/conversation/conversation';
import type { DataState, Definition } from '../../../src/protocol/generated';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { Log, until as before } from '../../stories/scenes';
import { draw, type Drawn } from '../draw';

const repair = recorded('repair');
const id = repair[0]?.analysis ?? '';
const started = before(repair, event => event.type === 'iteration_started');

const revenue: Definition = {
  id: 'd1',
  text: 'Revenue means net of returns',
  quote: '',
  by: 'user',
  run: 'r1',
  active: true,
  ended: null,
  replaces: null,
  claimed: false
};
const old: Definition = { ...revenue, id: 'd2', text: 'Revenue is gross', ended: 'r1' };
const kept: DataState = {
  name: 'orders without refunds',
  definition: 'refund is false',
  variable: 'orders_kept',
  cells: ['c1'],
  rows: 9800,
  columns: ['order'],
  content: 'abc',
  run: 'r2',
  named: 'r2',
  claimed: false
};

function serve(definitions: readonly Definition[], states: readonly DataState[] = []) {
  return (server: FakeServer): string => {
    const log = new Log(started);
    if (definitions.length + states.length > 0) {
      log.add('ledger_changed', { definitions: [...definitions], states: [...states] });
    }
    server.add(id, log.events);
    return id;
  };
}

async function opened(...lists: Parameters<typeof serve>): Promise<Drawn> {
  const page = await draw(<DataStrip />, serve(...lists));
  await page.click(page.one('.ak-Ledger-chip'));
  return page;
}

describe('the chip of the definitions', () => {
  it('is not there while there is nothing to list', async () => {
    const page = await draw(<DataStrip />, serve([]));
    expect(page.all('.ak-Ledger-chip')).toHaveLength(0);
  });

  it('counts those that hold, and the states', async () => {
    const page = await draw(<DataStrip />, serve([revenue, old], [kept]));
    expect(page.one('.ak-Ledger-chip').textContent).toBe('1 definition, 1 state');
    expect(page.one('.ak-Ledger-chip').title).toBe(revenue.text);
  });

  it('lists them with where they come from', async () => {
    const page = await opened([revenue, { ...old, claimed: true }], [kept]);
    expect(page.all('.ak-Ledger > li').map(item => item.textContent)).toEqual([
      'Revenue means net of returnsEditRemovequestion 1',
      'Revenue is grossEditRemovequestion 1 · ended in question 1 · claimed by the notebook, not checked',
      'orders without refunds: refund is false9,800 rows · question 2 · orders_kept'
    ]);
  });

  it('switches a definition off, and on again', async () => {
    const page = await opened([revenue, old]);
    await page.click(page.one('.ak-Ledger > li:first-child input'));
    expect(page.server.commands.at(-1)).toMatchObject({ definition: 'd1', active: false });
    await page.click(page.one('.ak-Ledger > li:last-child input'));
    expect(page.server.commands.at(-1)).toMatchObject({ definition: 'd2', active: true });
  });

  it('edits one; Escape leaves the field and not the list', async () => {
    const page = await opened([revenue]);
    await page.click(page.button(`Edit ${revenue.text}`));
    await page.type(page.one('[aria-label=Definition]'), 'Revenue means gross');
    await page.press(page.one('[aria-label=Definition]'), 'Escape');
    expect(page.all('[aria-label=Definition]')).toHaveLength(0);
    await page.click(page.button(`Edit ${revenue.text}`));
    await page.type(page.one('[aria-label=Definition]'), ' Revenue means gross ');
    await page.click(page.button('Save'));
    expect(page.server.commands.at(-1)).toEqual({
      type: 'edit_definition',
      analysis: id,
      definition: 'd1',
      text: 'Revenue means gross',
      active: true
    });
  });

  it('removes one, and the list stays open when it is empty', async () => {
    const page = await opened([revenue]);
    await page.click(page.button(`Remove ${revenue.text}`));
    expect(page.server.commands.at(-1)).toMatchObject({
      type: 'remove_definition',
      definition: 'd1'
    });
    page.server.emit({
      type: 'ledger_changed',
      analysis: id,
      run: null,
      number: 900,
      at: 1,
      definitions: [],
      states: []
    });
    await page.until(() => page.all('.ak-Ledger > li').length === 0);
    await page.type(page.one('[aria-label="New definition"]'), 'Skip chicks');
    await page.click(page.button('Add'));
    expect(page.server.commands.at(-1)).toMatchObject({
      type: 'add_definition',
      text: 'Skip chicks'
    });
    expect((page.one('[aria-label="New definition"]') as HTMLInputElement).value).toBe('');
  });
});

it('what a question keeps stands in its conversation', async () => {
  const page = await draw(<Conversation />, server => {
    const log = new Log(started)
      .add('definition_recorded', { definition: revenue })
      .add('state_named', { state: kept });
    server.add(id, log.events);
    return id;
  });
  expect(page.all('[data-kept]').map(line => line.textContent)).toEqual([
    'Kept for later questions: Revenue means net of returns',
    'Named state: orders without refunds 9800 rows'
  ]);
});

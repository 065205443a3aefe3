// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { Conversation } from '../../../src/panel/conversation/conversation';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { until as before } from '../../stories/scenes';
import { draw } from '../draw';

const repair = recorded('repair');
const mileage = recorded('mileage');

function serve(events: ReturnType<typeof recorded>) {
  return (server: FakeServer): string => {
    const id = events[0]?.analysis ?? '';
    server.add(id, events);
    return id;
  };
}

describe('an answered run', () => {
  it('shows question, summary, charts, answer, and keeps its steps folded', async () => {
    const page = await draw(<Conversation />, serve(mileage));
    await page.until(() => page.all('.ak-Number').length > 0);
    expect(page.one('[role=log]').getAttribute('aria-label')).toBe('Conversation');
    expect(page.one('.ak-Steps summary').textContent).toContain('4 steps, 3 iterations');
    expect(page.all('.ak-Iteration')).toHaveLength(0);
    expect(page.one('ul[aria-label=Charts] img').getAttribute('alt')).not.toBe('');
  });

  it('makes each number a link that opens the steps at its cell', async () => {
    const page = await draw(<Conversation />, serve(mileage));
    await page.until(() => page.all('button.ak-Number').length >= 12);
    const [first] = page.all('button.ak-Number');
    expect(first?.textContent).toBe('15.55');
    expect(first?.title).toContain('From cell 2');
    if (first !== undefined) {
      await page.click(first);
    }
    await page.until(() => page.all('.ak-Iteration.ak-mod-revealed .ak-Code').length === 1);
    expect(page.one('.ak-Iteration.ak-mod-revealed').dataset.cell).toBe(page.model.revealed.cell);
  });

  it('breaks no line between a number and the signs that touch it', async () => {
    const page = await draw(<Conversation />, serve(mileage));
    await page.until(() => page.all('button.ak-Number').length >= 12);
    const together = page.all('.ak-Together').map(group => group.textContent);
    expect(together).toContain('2015,');
    expect(together).toContain('(33.81 %),');
    expect(together).toContain('2].');
    expect(page.one('.ak-Answer').textContent).toContain('a change of 5.26 mpg (33.81 %), over');
  });

  it('links references to cells and marks unproven numbers', async () => {
    const page = await draw(<Conversation />, serve(repair));
    await page.until(() => page.all('.ak-mod-unproven').length > 0);
    expect(page.all('.ak-mod-unproven').map(mark => mark.textContent)).toContain('17');
    expect(page.one('.ak-mod-reference').textContent).toBe('3');
    expect(page.one('.ak-Notes.ak-mod-caveats').textContent).toContain('58 rows');
    expect(page.one('.ak-Notes.ak-mod-assumptions').textContent).toContain('mean over models');
  });

  it('asks a next question with one click', async () => {
    const page = await draw(<Conversation />, serve(repair));
    await page.click(page.button('Which makes improved most?'));
    expect(page.server.commands.at(-1)).toMatchObject({
      type: 'ask_question',
      question: 'Which makes improved most?'
    });
    expect(page.all('.ak-Question').at(-1)?.textContent).toContain('Which makes improved most?');
  });
});

describe('a running run', () => {
  it('shows the plan with the current step, and code as it is written', async () => {
    const events = before(repair, e => e.type === 'iteration_started' && e.attempt === 2);
    const page = await draw(<Conversation />, serve(events.slice(0, -5)));
    const steps = page.all('ul[aria-label=Plan] li');
    expect(steps).toHaveLength(4);
    expect(steps[1]?.getAttribute('aria-current')).toBe('step');
    const card = page.one('[aria-label="Code being written"]');
    expect(card.textContent).toContain('repair 1 of 3');
    expect(card.querySelector('.ak-Repair')?.textContent).toContain("KeyError: Label(s) ['city']");
    expect(card.querySelector('.ak-Code')?.textContent).toContain("('cty', 'mean')");
    expect(card.querySelector('.ak-Code')?.getAttribute('aria-live')).toBe('off');
  });

  it('puts the cell in the place of its streamed code, with what the repair changes', async () => {
    const events = before(repair, e => e.type === 'model_called' && e.call === 5);
    const page = await draw(<Conversation />, serve(events));
    expect(page.all('[aria-label="Code being written"]')).toHaveLength(0);
    const cards = page.all('.ak-Iteration');
    expect(cards).toHaveLength(3);
    const fixed = cards[2];
    expect(fixed?.querySelector('.ak-Changes')?.textContent).toContain(
      "+             .agg(city=('cty'"
    );
    await page.until(() => fixed?.querySelector('.ak-Outputs table, .ak-Outputs pre') !== null);
  });

  it('shows what it waits for while nothing else does', async () => {
    const events = before(repair, e => e.type === 'thinking_streamed');
    const page = await draw(<Conversation />, serve(events));
    expect(page.one('.ak-Activity').textContent).toBe('Asking the model …');
  });
});

describe('before the first question', () => {
  it('offers the examples and asks one with its file', async () => {
    const page = await draw(<Conversation />, server => {
      const example = { question: 'How many?', path: 'data/a.csv', dataset: 'a.csv', rows: 1234 };
      server.status = { ...server.status, examples: [example] };
      return null;
    });
    expect(page.host.textContent).toContain('a.csv, 1,234 rows');
    expect(page.host.textContent).toContain('No AI model is set up.');
    await page.click(page.one('.ak-Suggestion'));
    await page.until(() => page.server.commands.some(c => c.type === 'ask_question'));
    expect(page.server.commands.at(-1)).toMatchObject({ data: ['data/a.csv'] });
  });
});

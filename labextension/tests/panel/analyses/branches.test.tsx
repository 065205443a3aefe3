// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { AnalysesList } from '../../../src/panel/analyses/analyses-list';
import { Panel } from '../../../src/panel/shell/panel';
import { useServices } from '../../../src/panel/services';
import type { Event } from '../../../src/protocol/generated';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { draw } from '../draw';

const events = recorded('repair');
const id = events[0]?.analysis ?? '';
const last = events.at(-1)?.number ?? 0;

function Whole() {
  return <Panel services={useServices()} />;
}

function event(type: string, number: number, more: object): Event {
  return { analysis: id, run: null, at: 0, number: last + number, type, ...more } as Event;
}

const started = event('branch_started', 1, {
  parent: 'parent',
  parent_title: 'Old title',
  cell: 'c',
  cells: 7
});

function branch(server: FakeServer): string {
  server.add(
    'parent',
    events.map(event => ({ ...event, analysis: 'parent' })),
    { title: 'Mileage' }
  );
  server.add(id, [...events, started], { title: 'Mileage (branch 1)', parent: 'parent' });
  return id;
}

describe('a branch in the panel', () => {
  it("shows its parent's history, how far its kernel is, and Stop", async () => {
    const page = await draw(<Whole />, branch);
    const line = page.one('[aria-label=Branch]');
    expect(page.one('[role=log]').textContent).toContain(page.model.state?.runs[0]?.question);
    expect(line.textContent).toContain('Bringing the branch to cell 1 of 7 …');
    const verdict = { cell: 'x', verdict: 'differs', detail: '-1\n+2' };
    page.server.emit(event('branch_advanced', 2, { ...verdict, place: 3 }));
    await page.until(() => line.textContent.includes('cell 4 of 7'));
    await page.click(page.button('Stop'));
    expect(page.server.commands.at(-1)).toEqual({ type: 'cancel_run', analysis: id });
    page.server.emit(event('branch_finished', 3, { reproduced: 6, total: 7, reason: '' }));
    await page.until(() => line.textContent.includes('reproduced 6 of 7'));
    expect(line.textContent).toContain('Cell x');
    await page.click(page.button('Mileage'));
    expect(page.model.analysis).toBe('parent');
  });

  it('shows why its kernel is not in that state', async () => {
    const page = await draw(<Whole />, branch);
    const reason = 'It was stopped.';
    page.server.emit(event('branch_finished', 2, { reproduced: 1, total: 7, reason }));
    const line = page.one('[aria-label=Branch]');
    await page.until(() => line.textContent.includes('not in that state yet. It was stopped.'));
  });

  it('begins from a cell and from an answer', async () => {
    const page = await draw(<Whole />, branch);
    await page.click(page.button('Branch from here'));
    expect(page.actions.branch).toHaveBeenLastCalledWith(id, { run: 'r1' });
    page.model.reveal(
      page.model.state?.runs[0]?.entries.find(e => e.kind === 'iteration')?.cell ?? ''
    );
    await page.until(() => page.all('.ak-Iteration-actions').length === 1);
    const links = page.all('.ak-Iteration-actions button');
    await page.click(links.find(link => link.textContent === 'Branch from here') ?? page.host);
    const from = page.actions.branch.mock.lastCall?.[1] as { cell?: string };
    expect(from.cell).toBe(page.model.revealed.cell);
  });
});

describe('branches in the list', () => {
  it('are below their parent and can be folded', async () => {
    const page = await draw(<AnalysesList />, branch);
    const lists = page.all('ul').map(list => list.getAttribute('aria-label'));
    expect(lists).toEqual(['Analyses', 'Branches of Mileage']);
    expect(page.all('ul ul li')).toHaveLength(1);
    const fold = page.button('1 branch of Mileage');
    expect(fold.getAttribute('aria-expanded')).toBe('true');
    await page.click(fold);
    expect(page.all('ul ul')).toHaveLength(0);
    await page.type(page.one('input'), 'branch 1');
    expect(page.all('li')).toHaveLength(1);
  });

  it('start folded if there are many', async () => {
    const page = await draw(<AnalysesList />, server => {
      server.add('top', [], { title: 'Top' });
      for (let n = 0; n < 9; n += 1) {
        server.add(`b${String(n)}`, [], { parent: 'top' });
      }
      return null;
    });
    expect(page.all('li')).toHaveLength(1);
    await page.click(page.button('9 branches of Top'));
    expect(page.all('li')).toHaveLength(10);
  });

  it('are compared with their parent first, line by line', async () => {
    const page = await draw(<AnalysesList />, server => {
      const own = events.map(event =>
        event.type === 'iteration_started' && event.iteration === 2
          ? { ...event, code: `${event.code}\nextra = 1` }
          : event.type === 'run_finished'
            ? { ...event, answer: 'Another answer.' }
            : event
      );
      branch(server);
      server.add(id, [...own, started], { title: 'Mileage (branch 1)', parent: 'parent' });
      server.add('third', [], { title: 'Third' });
      return null;
    });
    await page.click(page.button('Actions for Mileage (branch 1)'));
    await page.click(page.button('Compare with …'));
    await page.until(() => page.all('.ak-Compare').length === 1);
    const select = page.one('dialog select') as HTMLSelectElement;
    expect(select.selectedOptions[0]?.textContent).toBe('Mileage');
    const text = page.one('.ak-Compare').textContent;
    expect(text).toContain('only here: extra = 1');
    expect(text).toContain('same code');
    expect(page.all('.ak-Compare img').length).toBeGreaterThan(0);
    await page.until(() => page.one('.ak-Compare').textContent.includes('Another answer.'));
  });
});

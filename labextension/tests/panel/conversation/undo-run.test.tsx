// @vitest-environment happy-dom
import * as React from 'react';
import { describe, expect, it } from 'vitest';
import { Conversation } from '../../../src/panel/conversation/conversation';
import { Header } from '../../../src/panel/shell/header';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { Log } from '../../stories/scenes';
import { draw } from '../draw';

const repair = recorded('repair');
const id = repair[0]?.analysis ?? '';

function serve(fill: (log: Log) => Log = log => log) {
  return (server: FakeServer): string => {
    server.add(id, fill(new Log(repair)).events);
    return id;
  };
}

describe('undoing a run', () => {
  it('asks, lists what stays, and sends the choice', async () => {
    const page = await draw(<Conversation />, serve());
    await page.click(page.button('More about this question'));
    await page.click(page.one('.ak-Menu-item:last-child'));
    const dialog = page.one('dialog');
    expect(dialog.textContent).toContain('leave the notebook');
    expect(dialog.textContent).toContain('Cells that you edited or wrote stay');
    await page.click(page.button('Undo'));
    expect(page.server.commands.at(-1)).toMatchObject({
      type: 'undo_run',
      run: 'r1',
      roll_back: true
    });
    expect(page.all('dialog')).toHaveLength(0);
  });

  it('can keep the kernel as it is, or be cancelled', async () => {
    const page = await draw(<Conversation />, serve());
    const before = page.server.commands.length;
    await page.click(page.button('More about this question'));
    await page.click(page.one('.ak-Menu-item:last-child'));
    await page.click(page.button('Cancel'));
    expect(page.server.commands).toHaveLength(before);
    await page.click(page.button('More about this question'));
    await page.click(page.one('.ak-Menu-item:last-child'));
    await page.click(page.one('dialog input'));
    await page.click(page.button('Undo'));
    expect(page.server.commands.at(-1)).toMatchObject({ roll_back: false });
  });

  it('is not offered while the analysis is verified', async () => {
    const busy = serve(log => log.add('verification_started', { cells: 3 }));
    const page = await draw(<Conversation />, busy);
    await page.click(page.button('More about this question'));
    const item = page.one('.ak-Menu-item:last-child') as HTMLButtonElement;
    expect(item.disabled).toBe(true);
    expect(item.textContent).toContain('Not while the analysis is at work');
  });

  it('leaves the question, struck out, and a way to ask again', async () => {
    const undone = serve(log =>
      log.add('run_undone', { removed: [], kept: ['own'], rolled_back: true })
    );
    const page = await draw(<Conversation />, undone);
    const card = page.one('.ak-Undone').textContent;
    expect(card).toContain('no longer in the notebook');
    expect(card).toContain('1 cell of yours stayed');
    expect(card).toContain('The kernel was rolled back');
    expect(page.all('.ak-Answer')).toHaveLength(0);
    expect(page.all('[aria-label="More about this question"]')).toHaveLength(0);
    await page.click(page.button('Ask again'));
    expect(page.server.commands.at(-1)).toMatchObject({ type: 'ask_question' });
  });
});

describe('what was verified', () => {
  const verified = (stale: boolean) =>
    serve(log => log.add('verification_finished', { reproduced: 7, total: 7, reason: '', stale }));

  it('is shown in the header of the panel', async () => {
    const page = await draw(<Header />, verified(false));
    expect(page.one('.ak-Verified').textContent).toBe('✓ reproduced 7 of 7');
    expect(page.one('.ak-Verified').getAttribute('role')).toBe('status');
  });

  it('shows that the code has changed since', async () => {
    const page = await draw(<Header />, verified(true));
    expect(page.one('.ak-Verified').textContent).toBe('✓ reproduced 7 of 7 · changed since');
  });
});

describe('a cell that the user changed', () => {
  const cell = repair.find(event => event.type === 'iteration_finished')?.cell ?? '';

  it('shows the change', async () => {
    const page = await draw(
      <Conversation />,
      serve(log =>
        log.add('hand_changes_noticed', { changes: [{ cell, change: 'deleted', code: '' }] })
      )
    );
    const steps = page.one('.ak-Steps') as HTMLDetailsElement;
    React.act(() => {
      steps.open = true;
      steps.dispatchEvent(new Event('toggle'));
    });
    await page.until(() => page.all(`[data-cell="${cell}"] .ak-ByHand`).length === 1);
    expect(page.one('.ak-ByHand').textContent).toBe('deleted by you');
  });
});

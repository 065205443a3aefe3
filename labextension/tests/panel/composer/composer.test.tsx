// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { Composer } from '../../../src/panel/composer/composer';
import { wordAtCursor } from '../../../src/panel/composer/completion';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { draw, type Drawn } from '../draw';

const events = recorded('repair');
const id = events[0]?.analysis ?? '';

function atWork(server: FakeServer): string {
  server.add(id, events.slice(0, 60), { state: 'running' });
  return id;
}

function answered(server: FakeServer): string {
  server.add(id, events);
  return id;
}

function box(page: Drawn): HTMLTextAreaElement {
  return page.one('textarea[aria-label=Question]') as HTMLTextAreaElement;
}

describe('the question box', () => {
  it('asks with Enter and breaks the line with Shift+Enter', async () => {
    const page = await draw(<Composer />, answered);
    await page.type(box(page), 'Which year was best?');
    await page.press(box(page), 'Enter', true);
    expect(page.server.commands.map(command => command.type)).not.toContain('ask_question');
    await page.press(box(page), 'Enter');
    expect(page.server.commands.at(-1)).toMatchObject({ question: 'Which year was best?' });
    expect(box(page).value).toBe('');
  });

  it('asks nothing when it is empty', async () => {
    const page = await draw(<Composer />, answered);
    await page.type(box(page), '   ');
    await page.press(box(page), 'Enter');
    expect(page.button('Ask').disabled).toBe(true);
    expect(page.server.commands.map(command => command.type)).not.toContain('ask_question');
  });

  it('goes through earlier questions with the arrow keys and back to what was typed', async () => {
    const page = await draw(<Composer />, answered);
    await page.type(box(page), 'half');
    await page.press(box(page), 'ArrowUp');
    expect(box(page).value).toContain('How did average city mileage');
    await page.press(box(page), 'ArrowDown');
    expect(box(page).value).toBe('half');
  });

  it('completes after @, with the keyboard', async () => {
    const page = await draw(<Composer />, server => {
      server.completions = [
        { label: 'cty', kind: 'column', insert: 'vehicles.cty', detail: 'vehicles' },
        { label: 'cyl', kind: 'column', insert: 'vehicles.cyl', detail: 'vehicles' }
      ];
      return answered(server);
    });
    await page.type(box(page), 'Mean of @c');
    await page.until(() => page.all('[role=option]').length === 2);
    await page.press(box(page), 'ArrowDown');
    expect(page.one('[role=option][aria-selected=true]').textContent).toContain('cyl');
    await page.press(box(page), 'Tab');
    expect(page.model.draft).toBe('Mean of vehicles.cyl ');
    expect(page.all('[role=option]')).toHaveLength(0);
    expect(page.server.commands.map(command => command.type)).not.toContain('ask_question');
  });
});

describe('during a run', () => {
  it('stops it', async () => {
    const page = await draw(<Composer />, atWork);
    await page.click(page.button('Stop'));
    expect(page.server.commands.at(-1)).toEqual({ type: 'cancel_run', analysis: id });
    expect(page.button('Stopping …').disabled).toBe(true);
  });

  it('accepts another question, which waits and can be removed', async () => {
    const page = await draw(<Composer />, atWork);
    await page.type(box(page), 'And then?');
    await page.click(page.button('Ask'));
    page.server.emit({
      type: 'queue_changed',
      analysis: id,
      run: null,
      number: 1000,
      at: 1,
      questions: ['And then?']
    });
    await page.until(() => page.all('.ak-Queue li').length === 1);
    await page.click(page.button('Remove waiting question: And then?'));
    expect(page.server.commands.at(-1)).toMatchObject({ type: 'unqueue_question', position: 0 });
  });
});

describe('the pickers', () => {
  it('offer the models that can be used and no others', async () => {
    const page = await draw(<Composer />, server => {
      const none = { default_model: '', credential_source: '', note: '', is_ai: true };
      server.models = {
        default: 'anthropic:m1',
        local: ['ollama:small'],
        providers: [
          { ...none, name: 'anthropic', label: 'A', has_credentials: true, models: ['m1', 'm2'] },
          { ...none, name: 'openrouter', label: 'O', has_credentials: false, models: ['x'] },
          { ...none, name: 'ollama', label: 'Ollama', has_credentials: true, models: [] }
        ]
      };
      return answered(server);
    });
    await page.until(() => page.model.store.models?.local.length === 1);
    await page.click(page.one('button[aria-label^="Model:"]'));
    const names = page.all('[role=menuitemradio]').map(item => item.textContent);
    expect(names).toHaveLength(5);
    expect(names.join()).not.toContain('openrouter');
    const wanted = page.all('[role=menuitemradio]').find(item => item.textContent.includes('m2'));
    if (wanted !== undefined) {
      await page.click(wanted);
    }
    expect(page.server.commands.at(-1)).toMatchObject({ model: 'anthropic:m2' });
  });

  it('choose what waits for the user', async () => {
    const page = await draw(<Composer />, answered);
    await page.click(page.one('button[aria-label^="Approval:"]'));
    const [, cells] = page.all('[role=menuitemradio]');
    if (cells !== undefined) {
      await page.click(cells);
    }
    expect(page.server.commands.at(-1)).toMatchObject({ type: 'choose_approval', mode: 'cells' });
  });
});

describe('wordAtCursor', () => {
  it.each([
    ['@', 1, { start: 0, prefix: '' }],
    ['mean of @cit', 12, { start: 8, prefix: 'cit' }],
    ['mean of @cit by', 12, { start: 8, prefix: 'cit' }],
    ['(@x', 3, { start: 1, prefix: 'x' }],
    ['me@home', 7, null],
    ['@a b', 4, null],
    ['', 0, null]
  ])('%j at %i', (text, cursor, word) => {
    expect(wordAtCursor(text, cursor)).toEqual(word);
  });
});

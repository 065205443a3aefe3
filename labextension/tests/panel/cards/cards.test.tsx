// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { Conversation } from '../../../src/panel/conversation/conversation';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { Log, until as before } from '../../stories/scenes';
import { draw } from '../draw';

const repair = recorded('repair');
const id = repair[0]?.analysis ?? '';
const started = before(repair, event => event.type === 'iteration_started');

function serve(fill: (log: Log) => Log) {
  return (server: FakeServer): string => {
    server.add(id, fill(new Log(started)).events);
    return id;
  };
}

const asked = serve(log =>
  log.add('user_asked', {
    ask: 'q',
    question: 'Which date counts?',
    options: ['Order date', 'Shipping date'],
    default: 'Order date'
  })
);

describe('a question to the user', () => {
  it('is answered by an option; the default is named', async () => {
    const page = await draw(<Conversation />, asked);
    expect(page.one('.ak-Option.ak-mod-default').textContent).toContain('default');
    await page.click(page.button('Shipping date'));
    expect(page.server.commands.at(-1)).toMatchObject({ ask: 'q', answer: 'Shipping date' });
    expect(page.all('.ak-Option:disabled')).toHaveLength(2);
  });

  it('becomes one line once it is answered', async () => {
    const page = await draw(<Conversation />, asked);
    page.server.emit({
      type: 'user_answered',
      analysis: id,
      run: 'r1',
      number: 900,
      at: 1,
      ask: 'q',
      answer: 'Order date',
      by: 'default'
    });
    await page.until(() => page.all('.ak-Card').length === 0);
    expect(page.one('.ak-Decided').textContent).toBe('Which date counts? Order date (default)');
  });
});

describe('a cell that waits', () => {
  const waiting = serve(log =>
    log.add('approval_requested', {
      ask: 'q',
      cell: 'c',
      code: 'x = 1',
      purpose: 'Set x',
      package: null
    })
  );

  it.each([
    ['Run', { decision: 'run' }],
    ['Skip', { decision: 'skip' }],
    ['Run all in this analysis', { decision: 'run_all' }]
  ])('%s', async (name, sent) => {
    const page = await draw(<Conversation />, waiting);
    expect(page.one('[aria-label="Code that waits"]').textContent).toBe('x = 1');
    await page.click(page.button(name));
    expect(page.server.commands.at(-1)).toEqual({
      type: 'decide_approval',
      analysis: id,
      ask: 'q',
      ...sent
    });
  });

  it('is edited before it runs', async () => {
    const page = await draw(<Conversation />, waiting);
    await page.click(page.button('Edit'));
    await page.type(page.one('textarea'), 'x = 2');
    await page.click(page.button('Run edited code'));
    expect(page.server.commands.at(-1)).toMatchObject({ decision: 'edit', code: 'x = 2' });
  });
});

describe('a plan that waits', () => {
  it('is edited, then approved without its empty steps', async () => {
    const step = { status: 'todo' as const, cells: [] };
    const page = await draw(
      <Conversation />,
      serve(log =>
        log.add('plan_approval_requested', {
          ask: 'q',
          steps: [
            { number: 1, goal: 'Look', ...step },
            { number: 2, goal: 'Draw', ...step }
          ]
        })
      )
    );
    await page.click(page.button('Move step 2 up'));
    await page.click(page.button('Add a step'));
    const [first] = page.all('.ak-Goals input');
    if (first !== undefined) {
      await page.type(first, 'Draw bars');
    }
    await page.click(page.button('Start'));
    expect(page.server.commands.at(-1)).toMatchObject({ goals: ['Draw bars', 'Look'] });
  });
});

describe('a model that does not answer', () => {
  it('shows the reason and the next attempt, which the user can start now', async () => {
    const page = await draw(
      <Conversation />,
      serve(log =>
        log.add('model_retried', { call: 2, attempt: 2, of: 5, wait: 600, reason: 'Overloaded.' })
      )
    );
    const banner = page.one('[role=alert]').textContent;
    expect(banner).toMatch(/Overloaded\. Next try in 5\d\d s, 2 of 5\. Your analysis is saved\./);
    await page.click(page.button('Try now'));
    expect(page.server.commands.at(-1)).toMatchObject({ type: 'retry_model' });
  });
});

describe('a run that failed', () => {
  const finished = repair.at(-1);
  if (finished?.type !== 'run_finished') {
    throw new Error('The log has no end.');
  }
  const failed = serve(log =>
    log.add('run_finished', {
      ...finished,
      status: 'failed',
      answer: '',
      details: null,
      reason: 'The key was refused.'
    })
  );

  it('shows the reason and details, and can be asked again', async () => {
    const page = await draw(<Conversation />, failed);
    expect(page.one('[role=alert]').textContent).toContain('The key was refused.');
    await page.click(page.button('Details'));
    expect(page.one('.ak-Facts').textContent).toContain('anthropic:claude-sonnet-5-5');
    await page.click(page.button('Retry'));
    expect(page.server.commands.at(-1)).toMatchObject({
      type: 'ask_question',
      question: page.model.state?.runs[0]?.question
    });
  });
});

describe('what became of the data in a cell', () => {
  const ended = (hints: { code: string; message: string; advice: string }[]) =>
    serve(log =>
      log
        .add('iteration_started', {
          iteration: 9,
          cell: 'c9',
          step: null,
          attempt: 1,
          language: 'python',
          purpose: 'Keep the delta',
          code: 'delta = rivers[rivers.basin == "Delta"]'
        })
        .add('iteration_finished', {
          iteration: 9,
          cell: 'c9',
          outcome: 'ok',
          seconds: 0.1,
          execution_count: 9,
          outputs: [],
          error: null,
          frames: [],
          lineage: "delta: 20 of rivers's 60 rows (-40), same columns",
          hints
        })
    );

  it('stands in the open step, and what to look at twice in the closed one too', async () => {
    const hint = { code: 'sample-as-whole', message: '10 of 60 rows', advice: 'Take all rows.' };
    const page = await draw(<Conversation />, ended([hint]));
    const card = page.one('[data-cell="c9"]');
    const toggle = card.querySelector<HTMLButtonElement>('.ak-Iteration-toggle');
    expect(card.querySelector('.ak-Hints li')?.textContent).toBe('10 of 60 rows');
    expect(card.querySelector('.ak-Hints li')?.getAttribute('title')).toBe('Take all rows.');
    if (toggle !== null && toggle.getAttribute('aria-expanded') === 'false') {
      await page.click(toggle);
    }
    expect(page.one('[data-cell="c9"] .ak-Lineage').textContent).toContain('20 of rivers');
  });

  it('shows no list where nothing is doubtful', async () => {
    const page = await draw(<Conversation />, ended([]));
    expect(page.all('[data-cell="c9"] .ak-Hints')).toHaveLength(0);
  });
});

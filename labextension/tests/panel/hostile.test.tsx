// @vitest-environment happy-dom
/** Hostile text in every place of the panel that shows some: nothing acts, and plain text stays text. */
import { describe, expect, it } from 'vitest';
import { AnalysesList } from '../../src/panel/analyses/analyses-list';
import { Conversation } from '../../src/panel/conversation/conversation';
import { DatasetDialog } from '../../src/panel/data/dataset-dialog';
import type { Answer, DatasetProfile, Event, Finding, Step } from '../../src/protocol/generated';
import { acting, EVIL, HOSTILE } from '../fakes/hostile';
import type { FakeServer } from '../fakes/server';
import { recorded } from '../session/recorded';
import { Log, until as before } from '../stories/scenes';
import { draw, type Drawn } from './draw';

const repair = recorded('repair');
const id = repair[0]?.analysis ?? '';
const started = before(repair, event => event.type === 'iteration_started');

const MARKDOWN: readonly string[] = [
  `![x](${EVIL})`,
  `![x][r]\n\n[r]: ${EVIL}`,
  '[x](javascript:alert(1))',
  `[x](${EVIL})<img src="${EVIL}">`,
  `\`a\`<img src="${EVIL}">\`b\``,
  `\`\`\`mermaid\ngraph\n  a@{ img: "${EVIL}" }\n\`\`\``
];
/** All at once: how each is drawn as Markdown and as HTML is tested with the renderers. */
const hostile = [...MARKDOWN, ...HOSTILE].join('\n\n');

/** Check that nothing in the page acts, and that nothing was fetched from elsewhere. */
function expectNothingActs(): void {
  expect(acting(document.body.innerHTML)).toEqual([]);
  expect((globalThis as { ran?: unknown }).ran).toBeUndefined();
}

function expectText(page: Drawn, ...texts: readonly string[]): void {
  const shown = page.host.textContent.replace(/\s+/g, ' ');
  for (const text of texts) {
    expect(shown).toContain(text.replace(/\s+/g, ' '));
  }
}

function serve(fill: (log: Log) => Log) {
  return (server: FakeServer): string => {
    server.add(id, fill(new Log(started)).events);
    return id;
  };
}

function answered(text: string): readonly Event[] {
  const steps: Step[] = [
    { number: 1, goal: text, status: 'done', cells: [] },
    { number: 2, goal: `Then ${text}`, status: 'doing', cells: [] }
  ];
  const finding: Finding = {
    id: 'f1',
    statement: text,
    values: [{ label: text, value: text, unit: text }],
    cells: ['c'],
    caveats: [text]
  };
  return repair.map((event): Event => {
    switch (event.type) {
      case 'run_started':
        return { ...event, question: text };
      case 'plan_updated':
        return { ...event, steps, reason: text };
      case 'iteration_started':
        return { ...event, purpose: text, code: `# ${text}` };
      case 'finding_recorded':
        return { ...event, finding };
      case 'run_finished': {
        const details: Answer = {
          text,
          key_values: finding.values,
          assumptions: [text],
          caveats: [text],
          next_questions: [text],
          numbers: [],
          unfinished: [text],
          cells: []
        };
        return { ...event, answer: text, reason: text, details, findings: [finding] };
      }
      default:
        return event;
    }
  });
}

describe('hostile text', () => {
  it('does nothing in an answered run: plan, cells, findings, answer, assumptions, caveats', async () => {
    const page = await draw(<Conversation />, server => {
      server.add(id, answered(hostile), { title: hostile });
      return id;
    });
    await page.until(() => page.all('.ak-Notes.ak-mod-caveats').length > 0);
    expectText(page, hostile);
    for (const summary of page.all('details > summary')) {
      await page.click(summary);
    }
    await page.until(() => page.all('ul[aria-label=Plan] li').length > 0);
    expectNothingActs();
  });

  it('does nothing in a question, its options, and the answer to it', async () => {
    const page = await draw(
      <Conversation />,
      serve(log =>
        log.add('user_asked', {
          ask: 'q',
          question: hostile,
          options: [hostile, `Not ${hostile}`],
          default: hostile
        })
      )
    );
    expectText(page, hostile, `Not ${hostile}`);
    expectNothingActs();
    const event = { type: 'user_answered', analysis: id, run: 'r1', number: 900, at: 1 } as const;
    page.server.emit({ ...event, ask: 'q', answer: hostile, by: 'person' });
    await page.until(() => page.all('.ak-Decided').length === 1);
    expectText(page, `${hostile} ${hostile}`);
    expectNothingActs();
  });

  it('does nothing in code that waits for approval, shown and edited', async () => {
    const code = `x = 1  # ${hostile}`;
    const page = await draw(
      <Conversation />,
      serve(log =>
        log.add('approval_requested', {
          ask: 'q',
          cell: 'c',
          code,
          purpose: hostile,
          package: null
        })
      )
    );
    expect(page.one('[aria-label="Code that waits"]').textContent).toBe(code);
    expectText(page, hostile);
    expectNothingActs();
    await page.click(page.button('Edit'));
    expect((page.one('textarea') as HTMLTextAreaElement).value).toBe(code);
    page.one('textarea').remove();
    expectNothingActs();
  });

  it('does nothing in a plan that waits', async () => {
    const page = await draw(
      <Conversation />,
      serve(log =>
        log.add('plan_approval_requested', {
          ask: 'q',
          steps: [{ number: 1, goal: hostile, status: 'todo', cells: [] }]
        })
      )
    );
    const [goal] = page.all('.ak-Goals input') as HTMLInputElement[];
    // An input has one line.
    expect(goal?.value.replace(/\s/g, '')).toBe(hostile.replace(/\s/g, ''));
    goal?.remove();
    expectNothingActs();
  });

  it('does nothing in notices and reasons', async () => {
    const page = await draw(
      <Conversation />,
      serve(log =>
        log
          .add('notice_raised', { level: 'info', code: 'x', message: hostile })
          .add('notice_raised', { level: 'warning', code: 'y', message: `Not ${hostile}` })
          .add('model_retried', { call: 2, attempt: 2, of: 5, wait: 600, reason: hostile })
      )
    );
    expectText(page, hostile, `Not ${hostile}`);
    expectNothingActs();
  });

  it('does nothing in the window of a dataset', async () => {
    const found = repair.find(event => event.type === 'dataset_profiled');
    const [column] = found?.profile.columns ?? [];
    if (found === undefined || column === undefined) {
      throw new Error('The recording has no dataset.');
    }
    const profile: DatasetProfile = {
      ...found.profile,
      dataset: { ...found.profile.dataset, path: hostile, table: hostile, columns: [hostile] },
      columns: [
        {
          ...column,
          name: hostile,
          dtype: hostile,
          minimum: null,
          top: [{ value: hostile, count: 1 }]
        }
      ],
      head: [[hostile], [null]],
      sample: [[hostile]],
      sampled: true,
      sample_note: hostile,
      warnings: [{ code: 'x', message: hostile, column: hostile, values: [hostile] }],
      row_words: [hostile]
    };
    const page = await draw(<DatasetDialog profile={profile} onClose={() => undefined} />);
    expectText(page, hostile);
    expectNothingActs();
  });

  it('does nothing where two analyses are compared', async () => {
    const page = await draw(<AnalysesList />, server => {
      const own = answered(`Other ${hostile}`);
      server.add(
        'parent',
        answered(hostile).map(event => ({ ...event, analysis: 'parent' })),
        { title: hostile }
      );
      server.add(id, own, { title: 'Branch', parent: 'parent' });
      return id;
    });
    await page.click(page.button('Actions for Branch'));
    await page.click(page.button('Compare with …'));
    await page.until(() => page.all('.ak-Compare').length === 1);
    expectText(page, hostile, `Other ${hostile}`);
    await page.until(() => page.all('.ak-Compare .jp-RenderedMarkdown').length > 0);
    expectNothingActs();
  });
});

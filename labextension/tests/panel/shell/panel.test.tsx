// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { AnalysesList } from '../../../src/panel/analyses/analyses-list';
import { ChartCard } from '../../../src/panel/charts/chart-card';
import { Outputs } from '../../../src/panel/cards/outputs';
import { Panel } from '../../../src/panel/shell/panel';
import { useServices } from '../../../src/panel/services';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { draw } from '../draw';

const events = recorded('repair');
const id = events[0]?.analysis ?? '';

function Whole() {
  return <Panel services={useServices()} />;
}

function answered(server: FakeServer): string {
  server.add(id, events, { title: 'Mileage' });
  return id;
}

describe('the panel', () => {
  it('has its accessible names', async () => {
    const page = await draw(<Whole />, answered);
    for (const selector of [
      '[role=log][aria-label=Conversation]',
      'textarea[aria-label=Question]',
      '[role=status][aria-label=Sandbox]',
      '[role=status][aria-label=Usage]',
      'button[aria-label="Attach data"]',
      'button[aria-label="New analysis"]'
    ]) {
      expect(page.all(selector), selector).toHaveLength(1);
    }
    for (const name of ['Open notebook', 'Export', 'Branch from here', 'Ask']) {
      expect(page.button(name).disabled).toBe(name === 'Ask');
    }
  });

  it('shows tokens, what was cached, and a cost that is known', async () => {
    const page = await draw(<Whole />, answered);
    expect(page.one('[aria-label=Usage]').textContent).toBe(
      '70.6k in, 58.3k cached, 924 out · $0.05'
    );
  });

  it('shows what question, analysis and day cost, and keeps the three budgets', async () => {
    const used = {
      input_tokens: 12_345,
      cached_tokens: 0,
      cache_write_tokens: 7,
      output_tokens: 89,
      calls: 4,
      failed_calls: 1,
      cost_usd: null,
      partial_usd: 0.42
    };
    const page = await draw(<Whole />, server => {
      server.spent = {
        ...server.spent,
        analysis_usage: used,
        day_usage: { ...used, cost_usd: 1.5 },
        day_limit_usd: 5
      };
      return answered(server);
    });
    const usage = page.one('[aria-label=Usage]');
    await page.until(() => usage.textContent.includes('today'));
    expect(usage.textContent).toBe(
      '70.6k in, 58.3k cached, 924 out · $0.05 · analysis at least $0.42 · today $1.50 of $5.00'
    );
    await page.click(page.one('.ak-Usage-button'));
    const cells = page.all('dialog tbody tr').map(row => row.textContent);
    expect(cells).toContain('Failed calls011');
    expect(cells.at(-1)).toBe('Cost$0.05at least $0.42$1.50');
    const fields = page.all('dialog input') as HTMLInputElement[];
    const [question, analysis, day] = fields as [
      HTMLInputElement,
      HTMLInputElement,
      HTMLInputElement
    ];
    expect([question.value, analysis.value, day.value]).toEqual(['', '', '5']);
    await page.type(question, '0,5');
    await page.type(analysis, 'much');
    await page.type(day, '7');
    expect(page.button('Keep').disabled).toBe(true);
    await page.type(analysis, '2');
    await page.click(page.button('Keep'));
    expect(page.server.commands.at(-1)).toMatchObject({
      type: 'choose_budget',
      cost_usd: 0.5,
      analysis_usd: 2
    });
    expect(page.server.requests.map(request => request.body)).toContain('{"day_usd":7}');
    await page.until(() => usage.textContent.includes('today $1.50 of $7.00'));
  });

  it('shows the sandbox: its level, its sentence, its probes', async () => {
    const page = await draw(<Whole />, answered);
    await page.click(page.one('.ak-Badge'));
    expect(page.one('dialog').textContent).toContain('No network.');
    expect(page.all('.ak-Probes li').length).toBeGreaterThan(5);
  });

  it('shows a dataset: columns, types, missing values, rows', async () => {
    const page = await draw(<Whole />, answered);
    expect(page.one('.ak-Chip:not(.ak-mod-add)').textContent).toContain('33,442 × 12');
    await page.click(page.one('.ak-Chip:not(.ak-mod-add)'));
    const cyl = page.all('dialog tbody tr').find(row => row.textContent.startsWith('cyl'));
    expect(cyl?.textContent).toContain('58 (0.2 %)');
    await page.click(page.button('Take back'));
    expect(page.server.commands.at(-1)).toMatchObject({ type: 'detach_data', name: 'vehicles' });
  });

  it('attaches what is chosen on the server', async () => {
    const page = await draw(<Whole />, answered);
    await page.click(page.button('Attach data'));
    const [choose] = page.all('[role=menuitem]');
    if (choose !== undefined) {
      await page.click(choose);
    }
    expect(page.server.commands.at(-1)).toMatchObject({ paths: ['data/a.csv'] });
  });

  it('shows a lost connection, and that the analyses go on', async () => {
    const page = await draw(<Whole />, answered);
    page.server.opensAtOnce = false;
    page.server.wire.drop();
    await page.until(() => page.host.textContent.includes('Not connected.'));
    expect(page.host.textContent).toContain('Your analyses go on without this page.');
  });

  it('shows that no AI model is at work', async () => {
    const page = await draw(<Whole />, server => {
      const log = recorded('mileage');
      server.add(log[0]?.analysis ?? '', log);
      return log[0]?.analysis ?? '';
    });
    expect(page.one('.ak-RulesLabel').textContent).toContain('No AI model is at work.');
    expect(page.one('[aria-label=Usage]').textContent).toBe('No tokens used');
  });
});

describe('the list of analyses', () => {
  function three(server: FakeServer): null {
    server.add('a', [], { title: 'Mileage by year', state: 'running', updated: 3 });
    server.add('b', [], { title: 'Penguins', updated: 2 });
    return null;
  }

  it('searches by words', async () => {
    const page = await draw(<AnalysesList />, three);
    expect(page.all('li')).toHaveLength(2);
    expect(page.all('li')[0]?.textContent).toContain('● running');
    await page.type(page.one('input[type=search]'), 'year mile');
    expect(page.all('li')).toHaveLength(1);
  });

  it('asks before it deletes, and keeps the notebook unless the box is checked', async () => {
    const page = await draw(<AnalysesList />, three);
    await page.click(page.button('Actions for Penguins'));
    await page.click(page.button('Delete …'));
    expect(page.one('dialog').textContent).toContain('Its notebook stays.');
    expect(page.server.requests.map(request => request.method)).not.toContain('DELETE');
    await page.click(page.button('Delete'));
    expect(page.server.requests.at(-1)).toMatchObject({
      method: 'DELETE',
      path: 'analyses/b',
      query: '?notebook=keep'
    });
    expect(page.all('li')).toHaveLength(1);
  });

  it('opens one', async () => {
    const page = await draw(<AnalysesList />, three);
    await page.click(page.all('.ak-Analysis')[1] ?? page.host);
    expect(page.model.analysis).toBe('b');
  });
});

describe('outputs', () => {
  const html = (text: string) => ({
    output_type: 'display_data' as const,
    data: { 'text/html': text, 'text/plain': 'plain' },
    metadata: {}
  });

  it('draws HTML without its scripts', async () => {
    const table = '<table><tr><td onclick="x()">1</td></tr></table>';
    const page = await draw(
      <Outputs label="Output" outputs={[html(table.replace(' onclick="x()"', ''))]} />
    );
    await page.until(() => page.all('td').length === 1);
    expect(page.all('script, iframe')).toHaveLength(0);
  });

  it('puts active HTML into a frame that shares nothing with the page', async () => {
    const page = await draw(
      <Outputs label="Map" outputs={[html('<div></div><script>top.location="/"</script>')]} />
    );
    const frame = page.one('iframe');
    expect(frame.getAttribute('sandbox')).toBe('');
    expect(frame.getAttribute('srcdoc')).toContain("default-src 'none'");
    expect(page.all('script')).toHaveLength(0);
  });

  it('shows text as it is written', async () => {
    const output = { output_type: 'stream' as const, name: 'stdout' as const, text: '<b>1</b>\n' };
    const page = await draw(<Outputs label="Output" outputs={[output]} />);
    await page.until(() => page.host.textContent.includes('<b>1</b>'));
    expect(page.all('b')).toHaveLength(0);
  });
});

describe('a chart', () => {
  const version = (name: string) => ({
    chart: {
      id: name,
      cell: name,
      output: 0,
      iteration: 1,
      title: name,
      alt: '',
      data: null,
      png: 'AA'
    },
    run: 'r1',
    cell: null,
    png: 'AA',
    data: null,
    title: name,
    alt: `Chart ${name}`
  });

  it('flips through its versions and shows them side by side', async () => {
    const group = { id: 'g', versions: [version('one'), version('two')] };
    const page = await draw(<ChartCard group={group} />);
    expect(page.one('img').getAttribute('alt')).toBe('Chart two');
    await page.click(page.button('Version before'));
    expect(page.one('img').getAttribute('alt')).toBe('Chart one');
    expect(page.button('Version before').disabled).toBe(true);
    await page.click(page.one('.ak-Chart-picture'));
    await page.click(page.button('Side by side'));
    expect(page.all('dialog img')).toHaveLength(2);
  });
});

// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import type { InstructionsFile } from '../../../src/client/records';
import { InstructionsChip } from '../../../src/panel/privacy/instructions-chip';
import { PrivacyStatus } from '../../../src/panel/privacy/privacy-status';
import { SentDialog } from '../../../src/panel/privacy/sent-dialog';
import { Conversation } from '../../../src/panel/conversation/conversation';
import type { PrivacyMode } from '../../../src/session/state';
import type { FakeServer } from '../../fakes/server';
import { recorded } from '../../session/recorded';
import { Log } from '../../stories/scenes';
import { draw, type Drawn } from '../draw';

const mileage = recorded('mileage');
const id = mileage[0]?.analysis ?? '';
const HOSTILE = '</pre><img src=x onerror="alert(1)"><script>alert(2)</script>\u202e[x](y)';

function serve(mode: PrivacyMode, more: (server: FakeServer) => void = () => undefined) {
  return (server: FakeServer): string => {
    const log = new Log(mileage);
    log.add('analysis_configured', {
      title: 'Mileage',
      notebook: 'a.ipynb',
      model: 'anthropic:x',
      is_ai: true,
      approval: 'automatic',
      budget_usd: null,
      analysis_budget_usd: null,
      privacy: mode,
      packages: [],
      connections: []
    });
    server.add(id, log.events);
    more(server);
    return id;
  };
}

const least = (mode: string) => (server: FakeServer) => {
  server.status = { ...server.status, locked: { privacy: mode } };
};

function chosen(page: Drawn): unknown[] {
  return page.server.commands.filter(command => command.type === 'choose_privacy');
}

async function choose(page: Drawn, mode: PrivacyMode): Promise<void> {
  await page.click(page.one('.ak-Privacy-button'));
  await page.click(page.one(`input[value='${mode}']`));
}

describe('the privacy mode', () => {
  it('is said, and a stricter one is used at once', async () => {
    const page = await draw(<PrivacyStatus />, serve('full'));
    await page.until(() => page.host.textContent.includes('Privacy: Full'));
    await choose(page, 'no-values');
    expect(page.host.textContent).toContain('its values are not sent again');
    await page.click(page.button('Use'));
    expect(chosen(page)).toEqual([
      { type: 'choose_privacy', analysis: id, mode: 'no-values', confirmed: false }
    ]);
  });

  it('becomes less strict only after a second question', async () => {
    const page = await draw(<PrivacyStatus />, serve('schema-only'));
    await page.until(() => page.host.textContent.includes('Privacy: Schema only'));
    await choose(page, 'no-values');
    expect(page.one('[role=alert]').textContent).toContain('sees more than now');
    expect(chosen(page)).toEqual([]);
    await page.click(page.button('Show the model more'));
    expect(chosen(page)).toEqual([
      { type: 'choose_privacy', analysis: id, mode: 'no-values', confirmed: true }
    ]);
  });

  it.each(['no-values', 'schema-only', 'nonsense'])(
    'cannot be less strict than the administrator allows: %s',
    async mode => {
      const page = await draw(<PrivacyStatus />, serve('full', least(mode)));
      const shown = mode === 'no-values' ? 'No values' : 'Schema only';
      await page.until(() => page.host.textContent.includes(`Privacy: ${shown}`));
      expect(page.host.textContent).toContain('🔒');
      await page.click(page.one('.ak-Privacy-button'));
      const free = page.all('input').filter(input => !(input as HTMLInputElement).disabled);
      expect(free).toHaveLength(mode === 'no-values' ? 2 : 1);
      expect(page.host.textContent).toContain(`no mode less strict than ${shown}`);
    }
  );

  it('stands with each answer that was not made in full', async () => {
    const strict = mileage.map(event =>
      event.type === 'run_started' ? { ...event, privacy: 'no-values' as const } : event
    );
    const page = await draw(<Conversation />, server => {
      server.add(id, strict);
      return id;
    });
    await page.until(() => page.all('.ak-MadeIn').length === 1);
    expect(page.one('.ak-MadeIn').textContent).toBe('Made in privacy mode: No values');
    const open = await draw(<Conversation />, server => {
      server.add(id, mileage);
      return id;
    });
    await open.until(() => open.all('.ak-Answer').length === 1);
    expect(open.all('.ak-MadeIn')).toHaveLength(0);
  });
});

describe('what was sent', () => {
  const sent = [HOSTILE.repeat(200), '{"messages": "short"}'].map((body, index) => ({
    request: {
      number: index + 1,
      time: `2026-11-29T10:00:0${String(index)}.000+00:00`,
      address: 'https://api.example.com/v1/messages',
      bytes: body.length,
      privacy: 'no-values' as const
    },
    body
  }));
  const shown = (): Promise<Drawn> =>
    draw(
      <SentDialog onClose={() => undefined} />,
      serve('no-values', server => {
        server.sent = sent;
      })
    );

  it('is listed, long requests collapse, and everything in them is text', async () => {
    const page = await shown();
    await page.until(() => page.all('.ak-Sent > li').length === 2);
    expect(page.one('[role=status]').textContent).toContain('2 requests');
    const details = page.all('details') as HTMLDetailsElement[];
    for (const one of details) {
      one.open = true;
      one.dispatchEvent(new Event('toggle'));
    }
    await page.until(() => page.all('.ak-Sent-body').length === 2);
    expect(page.all('.ak-Sent-body')[0]?.textContent.length).toBeLessThan(2100);
    await page.click(
      page.button(`Show all ${(HOSTILE.length * 200).toLocaleString('en-US')} characters`)
    );
    expect(page.all('.ak-Sent-body')[0]?.textContent).toBe(HOSTILE.repeat(200));
    expect(page.all('.ak-Sent img, .ak-Sent script, .ak-Sent a')).toHaveLength(0);
  });

  it('is searched', async () => {
    const page = await shown();
    await page.until(() => page.all('.ak-Sent > li').length === 2);
    await page.type(page.one('input[type=search]'), 'short');
    await page.until(() => page.all('.ak-Sent > li').length === 1);
    const details = page.one('details') as HTMLDetailsElement;
    details.open = true;
    details.dispatchEvent(new Event('toggle'));
    await page.until(() => page.all('mark').length === 1);
    await page.type(page.one('input[type=search]'), 'nowhere');
    await page.until(() => page.host.textContent.includes('No request holds this.'));
  });
});

describe('instructions', () => {
  const project: InstructionsFile = {
    place: 'project',
    path: '/home/ann/analyst.md',
    digest: 'abc',
    state: 'new',
    text: HOSTILE,
    problem: ''
  };
  const mine: InstructionsFile = {
    ...project,
    place: 'user',
    path: '/home/analyst.md',
    state: 'holds',
    text: 'Be brief.'
  };
  const long: InstructionsFile = {
    ...project,
    state: 'unusable',
    text: '',
    problem: 'It is too long.'
  };
  const shown = async (...files: InstructionsFile[]): Promise<Drawn> => {
    const page = await draw(
      <InstructionsChip />,
      serve('full', server => {
        server.instructions = files;
      })
    );
    await page.until(() => page.all('.ak-Instructions-chip').length === 1);
    await page.click(page.one('.ak-Instructions-chip'));
    return page;
  };

  it('are shown as text before they hold, and are switched on with what was shown', async () => {
    const page = await shown(mine, project);
    expect(page.one('.ak-Instructions-chip').textContent).toContain('1 to look at');
    expect(page.all('pre').map(pre => pre.textContent)).toEqual(['Be brief.', HOSTILE]);
    expect(page.all('pre img, pre script')).toHaveLength(0);
    const boxes = page.all('input') as HTMLInputElement[];
    expect(boxes.map(box => box.checked)).toEqual([true, false]);
    for (const box of boxes.reverse()) {
      await page.click(box);
    }
    const said = page.server.commands.filter(one => one.type === 'switch_instructions');
    expect(said).toMatchObject([
      { place: 'project', digest: 'abc', on: true },
      { place: 'user', digest: 'abc', on: false }
    ]);
  });

  it('that cannot be used say why', async () => {
    const page = await shown(long);
    expect(page.host.textContent).toContain('Not used. It is too long.');
    expect((page.one('input') as HTMLInputElement).disabled).toBe(true);
  });

  it('have no chip where there are none', async () => {
    const page = await draw(<InstructionsChip />, serve('full'));
    await page.until(() => page.server.requests.some(one => one.path === 'instructions'));
    expect(page.all('.ak-Instructions-chip')).toHaveLength(0);
  });
});

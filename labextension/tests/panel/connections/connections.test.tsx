// @vitest-environment happy-dom
/** The window of databases: what is sent once, what stands in each state, and what is taken back. */
import { describe, expect, it, vi } from 'vitest';
import type { DatabaseConnection, DatabaseEngine } from '../../../src/client/records';
import { ConnectionChips } from '../../../src/panel/connections/connection-chips';
import { ConnectionsDialog } from '../../../src/panel/connections/connections-dialog';
import type { Event } from '../../../src/protocol/generated';
import type { FakeServer } from '../../fakes/server';
import { draw } from '../draw';

const engine: DatabaseEngine = {
  name: 'postgresql',
  title: 'PostgreSQL',
  example: 'postgresql://reader@db/shop',
  install: ''
};
const shop: DatabaseConnection = {
  name: 'shop',
  engine: 'postgresql',
  address: 'postgresql://reader@db/shop',
  password_from: 'env:SHOP_PASSWORD',
  max_rows: 1,
  max_megabytes: 1,
  max_seconds: 1,
  ask_above_rows: null,
  ask_above_cost: null
};

const configured = (connections: string[]): Event => ({
  type: 'analysis_configured',
  analysis: 'a1',
  run: null,
  number: 1,
  at: 1,
  title: 'A',
  notebook: '',
  model: 'offline:rules',
  is_ai: false,
  approval: 'automatic',
  budget_usd: null,
  analysis_budget_usd: null,
  privacy: 'full',
  packages: [],
  connections
});

function listed(server: FakeServer, more: Partial<FakeServer['databases']> = {}): null {
  server.databases = { ...server.databases, engines: [engine], ...more };
  return null;
}

const posted = (server: FakeServer): unknown[] =>
  server.requests
    .filter(({ method, path }) => method === 'POST' && path === 'connections')
    .map(({ body }) => JSON.parse(body) as unknown);

describe('the window of databases', () => {
  it('sends a password once and keeps it nowhere', async () => {
    const page = await draw(<ConnectionsDialog onClose={vi.fn()} />, server => listed(server));
    await page.until(() => page.all('form').length === 1);
    await page.type(page.one('input[placeholder=shop]'), ' shop ');
    await page.type(page.one('input[inputmode=url]'), shop.address);
    expect(page.button('Save').disabled).toBe(true);
    await page.type(page.one('input[type=password]'), 'wort');
    await page.click(page.button('Save'));
    await page.until(() => posted(page.server).length === 1);
    expect(posted(page.server)).toEqual([
      { name: 'shop', address: shop.address, password_from: 'stored', password: 'wort' }
    ]);
    expect(page.server.requests.map(({ path, query }) => path + query).join()).not.toContain(
      'wort'
    );
  });

  it('stores nothing where an administrator keeps the secrets', async () => {
    const page = await draw(<ConnectionsDialog onClose={vi.fn()} />, server =>
      listed(server, { password_place: '' })
    );
    await page.until(() => page.all('form').length === 1);
    expect(page.all('input[type=password]')).toHaveLength(0);
    expect(page.all('option')).toHaveLength(2);
  });

  it('says how to install a driver, why a database cannot be asked, and which are attached', async () => {
    const page = await draw(<ConnectionsDialog onClose={vi.fn()} />, server => {
      listed(server, {
        connections: [shop, { ...shop, name: 'store' }],
        engines: [{ ...engine, install: "pip install 'x[postgresql]'" }]
      });
      server.add('a1', [configured(['shop'])]);
      return 'a1';
    });
    await page.until(() => page.all('.ak-Connection').length === 2);
    expect(page.host.textContent).toContain("pip install 'x[postgresql]'");
    expect(page.host.textContent).toContain('password from SHOP_PASSWORD');
    expect(page.all('button').filter(one => one.textContent === 'Attach')).toHaveLength(1);
    await page.click(page.button('Test store'));
    await page.until(() => page.all('[role=alert]').length === 1);
    expect(page.one('[role=alert]').textContent).toBe('No server answers there. Check it.');
    page.server.refuse = command => (command.type === 'attach_connection' ? 'It is busy.' : null);
    await page.click(page.button('Attach store'));
    await page.until(() => page.one('[role=alert]').textContent.startsWith('It is busy.'));
    expect(page.model.fault).toBeNull();
  });

  it('keeps the list of a file that cannot be read', async () => {
    const page = await draw(<ConnectionsDialog onClose={vi.fn()} />, server =>
      listed(server, { problem: 'The list cannot be read.' })
    );
    await page.until(() => page.host.textContent.includes('cannot be read'));
    expect(page.all('form')).toHaveLength(0);
  });
});

describe('the chip of a database', () => {
  it('opens its tables, says why there are none, and takes the database back', async () => {
    const page = await draw(<ConnectionChips />, server => {
      server.add('a1', [configured(['shop'])]);
      return 'a1';
    });
    await page.click(page.one('.ak-Chip'));
    await page.until(() => page.all('[role=alert]').length === 1);
    page.server.tables = { version: '1', total: 0, found: 0, tables: [] };
    await page.click(page.button('Try again'));
    await page.until(() => page.host.textContent.includes('no table that this role may read'));
    await page.click(page.button('Take back'));
    await page.until(() => page.server.commands.some(one => one.type === 'detach_connection'));
  });
});

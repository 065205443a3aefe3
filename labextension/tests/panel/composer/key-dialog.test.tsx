// @vitest-environment happy-dom
/** The dialog of keys: what is sent, what is kept back, and what an administrator locks. */
import { describe, expect, it, vi } from 'vitest';
import type { Models, ProviderInfo } from '../../../src/client/records';
import { KeyDialog } from '../../../src/panel/composer/key-dialog';
import type { FakeServer } from '../../fakes/server';
import { draw } from '../draw';

const one: ProviderInfo = {
  name: 'openai',
  label: 'OpenAI',
  has_credentials: false,
  credential_source: '',
  default_model: 'gpt',
  models: [],
  note: '',
  is_ai: true,
  settings: { key_variable: 'K', needs_key: true, url: 'https://own', url_variable: 'U' }
};
const cloud: ProviderInfo = {
  ...one,
  name: 'cloud',
  label: 'Cloud',
  settings: null,
  note: 'Elsewhere.'
};
const models: Models = { default: 'offline:rules', local: [], providers: [one, cloud] };

function prepared(server: FakeServer): null {
  server.models = models;
  return null;
}

const sent = (server: FakeServer): unknown[] =>
  server.requests
    .filter(request => request.method === 'POST' && request.path === 'models/key')
    .map(request => JSON.parse(request.body) as unknown);

describe('the dialog of keys', () => {
  it('saves a refused key only when it is told so again', async () => {
    const onClose = vi.fn();
    const page = await draw(<KeyDialog onClose={onClose} />, server => {
      server.savedKey = { saved: false, verdict: 'refused', what: 'No such key.', remedy: '' };
      return prepared(server);
    });
    await page.until(() => page.all('option').length === 2);
    await page.type(page.one('input[type=password]'), ' sk-1 ');
    await page.click(page.button('Check and save'));
    await page.until(() => page.all('[role=alert]').length === 1);
    expect(page.one('[role=alert]').textContent).toContain('No such key.');
    expect(onClose).not.toHaveBeenCalled();
    page.server.savedKey = { ...page.server.savedKey, saved: true };
    await page.click(page.button('Save anyway'));
    await page.until(() => onClose.mock.calls.length === 1);
    const key = { provider: 'openai', key: 'sk-1', url: '' };
    expect(sent(page.server)).toEqual([
      { ...key, anyway: false },
      { ...key, anyway: true }
    ]);
  });

  it('shows where keys come from, and offers no field where an administrator decides', async () => {
    const state = {
      provider: 'openai',
      source: 'settings',
      host: 'https://own',
      url: 'https://own',
      has_key: true,
      removable: false,
      unused: '',
      variable: ''
    } as const;
    const page = await draw(<KeyDialog onClose={vi.fn()} />, server => {
      server.models = { ...models, keys: [state], key_place: '', problem: 'Something is locked.' };
      server.status = { ...server.status, locked: { keys: true } };
      return null;
    });
    await page.until(() => page.all('.ak-Keys li').length === 1);
    expect(page.one('.ak-Keys').textContent).toContain(
      'From the settings of the server · goes to https://own'
    );
    expect(page.all('.ak-Keys button')).toHaveLength(0);
    expect(page.all('input')).toHaveLength(0);
    expect(page.host.textContent).toContain('Your administrator decides');
    expect(page.host.textContent).toContain('Something is locked.');
  });
});

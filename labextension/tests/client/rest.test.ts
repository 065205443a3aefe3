// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { ConnectionLost, RequestFailed } from '../../src/client/errors';
import { AnalystRest, fileName } from '../../src/client/rest';
import { FakeServer } from '../fakes/server';

describe('AnalystRest', () => {
  it('requests addresses below the base URL, with escaped parts', async () => {
    const server = new FakeServer();
    const rest = new AnalystRest(server.settings);
    await rest.completions('a b', 'c&d');
    expect(server.requests).toMatchObject([
      { method: 'GET', path: 'analyses/a%20b/completions', query: '?prefix=c%26d' }
    ]);
    await rest.remove('a', true);
    expect(server.requests.at(-1)).toMatchObject({ method: 'DELETE', query: '?notebook=keep' });
    expect((await rest.create({ title: 'T' })).id).toBe('made-1');
    expect(server.requests.at(-1)?.body).toBe('{"title":"T"}');
  });

  it('throws a failure with the server’s message and remedy', async () => {
    const rest = new AnalystRest(new FakeServer().settings);
    const failed = rest.branch('a', { cell: 'c1' });
    await expect(failed).rejects.toThrow(RequestFailed);
    await expect(failed).rejects.toMatchObject({
      message: 'There is no such thing.',
      remedy: 'Look at the list.',
      status: 404
    });
  });

  it('throws when the server does not answer, or a proxy answers', async () => {
    const { settings } = new FakeServer();
    const dead = { ...settings, fetch: () => Promise.reject(new TypeError('refused')) };
    await expect(new AnalystRest(dead).status()).rejects.toThrow(ConnectionLost);
    const page = new Response('<html>', { status: 502, statusText: 'Bad Gateway' });
    const proxy = { ...settings, fetch: () => Promise.resolve(page) };
    await expect(new AnalystRest(proxy).status()).rejects.toThrow('502 Bad Gateway');
  });
});

describe('fileName', () => {
  it.each([
    ["attachment; filename*=UTF-8''Umsatz%20%C3%BC.ipynb", 'Umsatz ü.ipynb'],
    ['attachment; filename="a b.py"', 'a b.py'],
    ["attachment; filename=x.html; filename*=UTF-8''%E0%A4%A", 'x.html'],
    ['attachment', null]
  ])('reads %j', (header, name) => {
    expect(fileName(header)).toBe(name);
  });
});

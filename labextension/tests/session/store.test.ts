// @vitest-environment happy-dom
import { describe, expect, it, vi } from 'vitest';
import { PanelModel } from '../../src/session/panel-model';
import { AnalystRest } from '../../src/client/rest';
import { AnalystSocket } from '../../src/client/socket';
import { AnalystStore } from '../../src/session/store';
import type { SummaryChange } from '../../src/tokens';
import { FakeServer } from '../fakes/server';
import { recorded } from './recorded';

const events = recorded('mileage');
const id = events[0]?.analysis ?? '';

describe('AnalystStore', () => {
  it('emits many events at most once per frame, and misses none', async () => {
    const server = new FakeServer();
    server.add(id);
    const store = server.connect();
    await vi.waitFor(() => {
      expect(store.listed).toBe(true);
    });
    store.watch(id);
    await vi.waitFor(() => {
      expect(store.isLoaded(id)).toBe(true);
    });
    let announced = 0;
    store.changed.connect(() => {
      announced += 1;
    });
    events.forEach(event => {
      server.emit(event);
    });
    await vi.waitFor(() => {
      expect(store.state(id)?.runs[0]?.status).toBe('answered');
    });
    expect(announced).toBeLessThan(5);
    expect(store.state(id)?.last).toBe(events.at(-1)?.number);
  });

  it('keeps an analysis that was created while the list was being fetched', async () => {
    const server = new FakeServer();
    server.add(id);
    const store = server.connect();
    await vi.waitFor(() => {
      expect(store.listed).toBe(true);
    });
    let answer: (list: readonly []) => void = () => undefined;
    vi.spyOn(store.rest, 'analyses').mockReturnValueOnce(
      new Promise(resolve => {
        answer = resolve;
      })
    );
    const refreshed = store.refresh();
    const made = await store.create();
    store.forget(id);
    answer([]);
    await refreshed;
    expect(store.summary(made.id)).not.toBeNull();
    expect(store.summary(id)).toBeNull();
  });

  it('follows what was shown before there was a connection', async () => {
    const server = new FakeServer();
    server.add(id, events);
    const store = new AnalystStore(new AnalystRest(server.settings));
    store.watch(id);
    store.start(new AnalystSocket(() => server.open(), store));
    await vi.waitFor(() => {
      expect(store.isLoaded(id)).toBe(true);
    });
    expect(store.state(id)?.runs[0]?.status).toBe('answered');
  });

  it('has the same state after the connection broke in the middle', async () => {
    const server = new FakeServer();
    server.add(id, events.slice(0, 30));
    const store = server.connect();
    store.watch(id);
    await vi.waitFor(() => {
      expect(store.state(id)?.last).toBe(30);
    });
    server.wire.drop();
    events.slice(30).forEach(event => {
      server.emit(event);
    });
    expect(store.isLoaded(id)).toBe(false);
    store.retryNow();
    await vi.waitFor(() => {
      expect(store.state(id)?.runs[0]?.status).toBe('answered');
    });
    expect(store.isLoaded(id)).toBe(true);
  });

  it('keeps the list up to date and tells of changes', async () => {
    const server = new FakeServer();
    server.add('a', [], { state: 'running', updated: 2 });
    server.add('b', [], { updated: 3 });
    const store = server.connect();
    await vi.waitFor(() => {
      expect(store.analyses.map(one => one.id)).toEqual(['b', 'a']);
    });
    const changes: SummaryChange[] = [];
    store.summaryChanged.connect((_, change) => {
      changes.push(change);
    });
    const after = server.summaries.get('a');
    if (after === undefined) {
      throw new Error('no summary');
    }
    const summary = { ...after, state: 'idle' as const, updated: 4 };
    server.wire.push({ type: 'analysis_changed', summary });
    server.wire.push({ type: 'analysis_removed', analysis: 'b' });
    expect(changes.map(({ before, after }) => [before.state, after.state])).toEqual([
      ['running', 'idle']
    ]);
    expect(store.analyses.map(one => one.id)).toEqual(['a']);
  });

  it('unsubscribes with the last watcher, and continues from the last event', async () => {
    const server = new FakeServer();
    server.add(id, events.slice(0, 10));
    const store = server.connect();
    const [one, two] = [store.watch(id), store.watch(id)];
    await vi.waitFor(() => {
      expect(store.state(id)?.last).toBe(10);
    });
    one();
    one();
    expect(server.commands.at(-1)?.type).toBe('subscribe_analysis');
    two();
    expect(server.commands.at(-1)?.type).toBe('unsubscribe_analysis');
    store.watch(id);
    expect(server.commands.at(-1)).toMatchObject({ type: 'subscribe_analysis', after: 10 });
  });
});

describe('PanelModel', () => {
  async function panel(server: FakeServer): Promise<PanelModel> {
    const store = server.connect();
    await vi.waitFor(() => {
      expect(store.listed).toBe(true);
    });
    return new PanelModel(store);
  }

  it('starts an analysis with the first question, in the chosen folder, as chosen', async () => {
    const server = new FakeServer();
    const model = await panel(server);
    model.folder = () => 'work';
    model.defaults = {
      model: 'anthropic:x',
      approval: 'cells',
      budget: 0.5,
      analysisBudget: null,
      privacy: 'no-values'
    };
    await model.choose({ approval: 'plan' });
    const asking = model.ask('  How many?  ', ['a.csv']);
    expect(model.pending).toMatchObject([{ question: 'How many?', fault: null }]);
    await asking;
    expect(server.requests.at(-1)?.body).toBe('{"folder":"work"}');
    expect(model.analysis).toBe('made-1');
    expect(server.commands.filter(command => command.type !== 'subscribe_analysis')).toEqual([
      { type: 'choose_privacy', analysis: 'made-1', mode: 'no-values' },
      { type: 'choose_model', analysis: 'made-1', model: 'anthropic:x' },
      { type: 'choose_approval', analysis: 'made-1', mode: 'plan' },
      { type: 'choose_budget', analysis: 'made-1', cost_usd: 0.5, analysis_usd: null },
      { type: 'ask_question', analysis: 'made-1', question: 'How many?', data: ['a.csv'] }
    ]);
    await model.ask('And then?');
    expect(server.summaries.size).toBe(1);
  });

  it('starts only one analysis for several questions at once', async () => {
    const server = new FakeServer();
    const model = await panel(server);
    const asking = model.ask('How many?');
    await Promise.all([asking, model.attach(['a.csv']), model.send({ type: 'cancel_run' })]);
    expect(server.summaries.size).toBe(1);
    expect(new Set(server.commands.map(command => command.analysis))).toEqual(new Set(['made-1']));
  });

  it('keeps the data of a question that was not accepted', async () => {
    const server = new FakeServer();
    server.refuse = () => 'It was stopped before it began.';
    const model = await panel(server);
    await model.ask('How many?', ['data/a.csv']);
    expect(model.pending).toMatchObject([{ data: ['data/a.csv'] }]);
  });

  it('shows a question as sent until its run or the queue has it, also when asked twice', async () => {
    const server = new FakeServer();
    server.add(id, events);
    const model = await panel(server);
    model.show(id);
    const { question } = events[0] as { question: string };
    await vi.waitFor(() => {
      expect(model.state?.runs).toHaveLength(1);
    });
    await model.ask(question);
    expect(model.pending).toHaveLength(1);
    const number = (events.at(-1)?.number ?? 0) + 1;
    const about = { analysis: id, run: null, at: 1 };
    server.emit({ ...about, number, type: 'queue_changed', questions: ['another'] });
    await vi.waitFor(() => {
      expect(model.state?.queue).toEqual(['another']);
    });
    expect(model.pending).toHaveLength(1);
    server.emit({ ...about, number: number + 1, type: 'queue_changed', questions: [question] });
    await vi.waitFor(() => {
      expect(model.pending).toEqual([]);
    });
  });

  it('keeps a question that was refused, with the reason, so that it can be edited', async () => {
    const server = new FakeServer();
    server.add('a');
    server.refuse = command => (command.type === 'ask_question' ? 'The model is gone.' : null);
    const model = await panel(server);
    model.show('a');
    await model.ask('Why?');
    expect(model.pending[0]?.fault?.message).toBe('The model is gone.');
    model.discard(model.pending[0]?.id ?? 0);
    expect(model.pending).toEqual([]);
    expect(model.draft).toBe('Why?');
    expect(model.history).toContain('Why?');
  });

  it('keeps a draft for each analysis', async () => {
    const server = new FakeServer();
    server.add('a');
    server.add('b');
    const model = await panel(server);
    model.show('a');
    model.draft = 'of a';
    model.show('b');
    expect(model.draft).toBe('');
    model.show('a');
    expect(model.draft).toBe('of a');
  });

  it('shows what went wrong with a command', async () => {
    const server = new FakeServer();
    server.add('a');
    server.refuse = command => (command.type === 'attach_data' ? 'There is no such file.' : null);
    const model = await panel(server);
    model.show('a');
    expect(await model.attach(['x.csv'])).toBe(false);
    expect(model.fault).toMatchObject({
      message: 'There is no such file.',
      remedy: 'Try something else.'
    });
    model.report(null);
    expect(model.fault).toBeNull();
  });

  it('drops an analysis that is deleted', async () => {
    const server = new FakeServer();
    server.add('a');
    const model = await panel(server);
    model.show('a');
    server.wire.push({ type: 'analysis_removed', analysis: 'a' });
    expect(model.analysis).toBeNull();
  });
});

/** Draws one scene in a plain page: `?scene=answered`. For looking at, and for screenshots. */
import { createMarkdownParser } from '@jupyterlab/markedparser-extension';
import { EditorLanguageRegistry } from '@jupyterlab/codemirror';
import { RenderMimeRegistry, standardRendererFactories } from '@jupyterlab/rendermime';
import { nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { PanelWidget } from '../../src/panel/shell/panel-widget';
import type { PanelActions } from '../../src/panel/services';
import { decodeEvent } from '../../src/protocol/decode';
import { PanelModel } from '../../src/session/panel-model';
import { FakeServer } from '../fakes/server';
import mileageLog from '../recorded/mileage.jsonl?raw';
import repairLog from '../recorded/repair.jsonl?raw';
import { scenes } from './scenes';
import '../../style/index.css';

const read = (log: string): ReturnType<typeof decodeEvent>[] =>
  log
    .split('\n')
    .filter(line => line !== '')
    .map(line => decodeEvent(JSON.parse(line)));

const query = new URLSearchParams(location.search);
const name = query.get('scene') ?? 'first';
const scene = scenes(read(mileageLog), read(repairLog))[name];

const server = new FakeServer();
const sandbox = read(repairLog).find(event => event.type === 'kernel_changed' && event.sandbox);
server.status = {
  ...server.status,
  sandbox: sandbox?.type === 'kernel_changed' ? sandbox.sandbox : null,
  examples: [
    {
      question: 'How did city mileage change by model year?',
      path: 'vehicles.csv',
      dataset: 'vehicles.csv',
      rows: 33442
    },
    {
      question: 'Do heavier penguins have longer flippers?',
      path: 'penguins_raw.csv',
      dataset: 'penguins_raw.csv',
      rows: 344
    },
    {
      question: 'Which months are windiest at each airport?',
      path: 'nyc_weather.csv',
      dataset: 'nyc_weather.csv',
      rows: 26115
    }
  ]
};
server.models = {
  default: 'anthropic:claude-sonnet-5-5',
  local: [],
  providers: [
    {
      name: 'anthropic',
      label: 'Anthropic',
      has_credentials: name !== 'first',
      credential_source: '',
      default_model: 'claude-sonnet-5-5',
      models: name === 'first' ? [] : ['claude-opus-5-5'],
      note: '',
      is_ai: true
    }
  ]
};
const analysis = scene?.events[0]?.analysis;
if (analysis !== undefined) {
  const running = scene?.events.at(-1)?.type !== 'run_finished';
  server.add(analysis, scene?.events, {
    title: scene?.title ?? '',
    updated: Date.now() / 1000,
    state: name === 'needs' ? 'waiting' : running ? 'running' : 'idle',
    model: 'anthropic:claude-sonnet-5-5',
    is_ai: true
  });
  server.add('other', [], {
    title: 'Do heavier penguins have longer flippers?',
    updated: Date.now() / 1000 - 90000,
    state: 'running',
    questions: 3
  });
  server.add('old', [], {
    title: 'Which months are windiest at each airport?',
    updated: Date.now() / 1000 - 900000,
    state: 'failed',
    questions: 1
  });
}

const actions: PanelActions = {
  openNotebook: () => undefined,
  chooseFiles: () => Promise.resolve([]),
  openBeside: () => undefined,
  openSettings: () => undefined,
  exportAnalysis: () => undefined,
  branch: () => undefined,
  notify: () => undefined
};
const rendermime = new RenderMimeRegistry({
  initialFactories: standardRendererFactories,
  markdownParser: createMarkdownParser(new EditorLanguageRegistry())
});
const model = new PanelModel(server.connect());
const widget = new PanelWidget({
  model,
  trans: nullTranslator.load('analyst_kernel'),
  rendermime,
  actions
});
widget.addClass('ak-mod-story');
Widget.attach(widget, document.body);
if (analysis !== undefined) {
  model.show(analysis);
}
if (query.get('view') === 'analyses') {
  model.showView('analyses');
}

// Scripts that measure send events through the fake server.
Object.assign(window, { story: { server, model, analysis } });

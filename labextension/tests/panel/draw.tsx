/** Draws a component of the panel for a test, on a fake server. */
import { EditorLanguageRegistry } from '@jupyterlab/codemirror';
import { createMarkdownParser } from '@jupyterlab/markedparser-extension';
import { RenderMimeRegistry, standardRendererFactories } from '@jupyterlab/rendermime';
import { nullTranslator } from '@jupyterlab/translation';
import * as React from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, vi } from 'vitest';
import { ServicesProvider, type PanelActions } from '../../src/panel/services';
import { PanelModel } from '../../src/session/panel-model';
import { FakeServer } from '../fakes/server';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

/** What a test works with. */
export interface Drawn {
  readonly host: HTMLElement;
  readonly model: PanelModel;
  readonly server: FakeServer;
  readonly actions: { readonly [K in keyof PanelActions]: ReturnType<typeof vi.fn> };
  /** Wait until something holds. */
  readonly until: (condition: () => boolean | undefined) => Promise<void>;
  readonly all: (selector: string) => HTMLElement[];
  readonly one: (selector: string) => HTMLElement;
  /** The button with this text or label. */
  readonly button: (name: string) => HTMLButtonElement;
  readonly click: (element: HTMLElement) => Promise<void>;
  readonly type: (element: HTMLElement, text: string) => Promise<void>;
  readonly press: (element: HTMLElement, key: string, shift?: boolean) => Promise<void>;
}

let root: Root | null = null;

afterEach(() => {
  React.act(() => {
    root?.unmount();
  });
  root = null;
  document.body.replaceChildren();
});

/** Draw `element` in the services of a panel; `prepare` sets up the server before. */
export async function draw(
  element: React.ReactElement,
  prepare: (server: FakeServer) => string | null = () => null
): Promise<Drawn> {
  const server = new FakeServer();
  const analysis = prepare(server);
  const store = server.connect();
  const model = new PanelModel(store);
  const actions = {
    openNotebook: vi.fn(),
    chooseFiles: vi.fn(() => Promise.resolve(['data/a.csv'])),
    openBeside: vi.fn(),
    openSettings: vi.fn(),
    exportAnalysis: vi.fn(),
    branch: vi.fn(),
    notify: vi.fn()
  };
  const rendermime = new RenderMimeRegistry({
    initialFactories: standardRendererFactories,
    markdownParser: createMarkdownParser(new EditorLanguageRegistry())
  });
  const trans = nullTranslator.load('analyst_kernel');
  const host = document.createElement('div');
  document.body.append(host);
  const until = async (condition: () => boolean | undefined): Promise<void> => {
    await vi.waitFor(
      async () => {
        await React.act(() => new Promise(resolve => setTimeout(resolve, 5)));
        if (condition() !== true) {
          throw new Error(`It never came about: ${condition.toString()}\n${host.innerHTML}`);
        }
      },
      { timeout: 10_000 }
    );
  };
  await until(() => store.listed);
  if (analysis !== null) {
    model.show(analysis);
    await until(() => store.isLoaded(analysis));
  }
  React.act(() => {
    root = createRoot(host);
    root.render(
      <ServicesProvider value={{ model, trans, rendermime, actions }}>{element}</ServicesProvider>
    );
  });
  const all = (selector: string): HTMLElement[] => [
    ...host.querySelectorAll<HTMLElement>(selector)
  ];
  const one = (selector: string): HTMLElement => {
    const found = all(selector);
    if (found.length !== 1 || found[0] === undefined) {
      throw new Error(`${String(found.length)} of ${selector} in ${host.innerHTML}`);
    }
    return found[0];
  };
  const act = async (task: () => void): Promise<void> => {
    await React.act(async () => {
      task();
      await new Promise(resolve => setTimeout(resolve, 5));
    });
  };
  return {
    host,
    model,
    server,
    actions,
    until,
    all,
    one,
    button: name => {
      const found = all('button').find(
        candidate =>
          candidate.textContent.trim() === name || candidate.getAttribute('aria-label') === name
      );
      if (!(found instanceof HTMLButtonElement)) {
        throw new Error(`No button ${name} in ${host.innerHTML}`);
      }
      return found;
    },
    click: target =>
      act(() => {
        target.click();
      }),
    type: (target, text) =>
      act(() => {
        const prototype = Object.getPrototypeOf(target) as object;
        Object.getOwnPropertyDescriptor(prototype, 'value')?.set?.call(target, text);
        (target as HTMLTextAreaElement).setSelectionRange(text.length, text.length);
        target.dispatchEvent(new Event('input', { bubbles: true }));
      }),
    press: (target, key, shiftKey = false) =>
      act(() => {
        target.dispatchEvent(
          new KeyboardEvent('keydown', { key, shiftKey, bubbles: true, cancelable: true })
        );
      })
  };
}

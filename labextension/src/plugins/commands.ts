/** The commands that do not need a notebook's cell, and their places in the palette. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, InputDialog } from '@jupyterlab/apputils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { withoutDrive } from '../panel/shell/panel-widget';
import { activeRun } from '../session/progress';
import { IAnalystPanels, IAnalystStore, PACKAGE } from '../tokens';
import { CommandIds } from './ids';
import { analystIcon } from './icon';

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:commands`,
  description: 'Commands of the Analyst sidebar.',
  autoStart: true,
  requires: [IAnalystStore, IAnalystPanels],
  optional: [ITranslator, ICommandPalette, IFileBrowserFactory],
  activate: (
    app: JupyterFrontEnd,
    store: IAnalystStore,
    panels: IAnalystPanels,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    browsers: IFileBrowserFactory | null
  ): void => {
    const { commands } = app;
    const trans = (translator ?? nullTranslator).load('analyst_kernel');
    const analysis = (args: ReadonlyPartialJSONObject): string | null =>
      textOf(args, 'analysis') ?? panels.current().analysis;
    const hasAnalysis = (): boolean => panels.current().analysis !== null;
    const selected = (): readonly string[] =>
      [...(browsers?.tracker.currentWidget?.selectedItems() ?? [])].map(item =>
        withoutDrive(item.path)
      );
    const withAnalysis =
      (task: (id: string, args: ReadonlyPartialJSONObject) => Promise<unknown>) =>
      async (args: ReadonlyPartialJSONObject): Promise<void> => {
        const id = analysis(args);
        if (id !== null) {
          await panels.current().attempt(() => task(id, args));
        }
      };

    commands.addCommand(CommandIds.ask, {
      label: trans.__('Ask Analyst'),
      caption: trans.__('Go to the question box, or ask at once'),
      icon: analystIcon,
      describedBy: { args: describe({ question: 'What to ask at once', data: 'Paths to attach' }) },
      execute: async args => {
        const question = textOf(args, 'question');
        panels.activate();
        if (question !== null) {
          const data = Array.isArray(args.data) ? args.data.filter(isText) : [];
          await panels.sidebar.ask(question, data);
        }
      }
    });
    commands.addCommand(CommandIds.create, {
      label: trans.__('New Analysis'),
      caption: trans.__('Start a new analysis in the sidebar'),
      icon: analystIcon,
      describedBy: { args: describe({}) },
      execute: () => {
        panels.sidebar.show(null);
        panels.activate();
      }
    });
    commands.addCommand(CommandIds.stop, {
      label: trans.__('Stop the Analyst'),
      caption: trans.__('Stop the run and interrupt its kernel'),
      describedBy: { args: describe({ analysis: 'Which analysis' }) },
      isEnabled: () => {
        const { state } = panels.current();
        return state !== null && activeRun(state) !== null;
      },
      execute: withAnalysis(id => store.send({ type: 'cancel_run', analysis: id }))
    });
    commands.addCommand(CommandIds.attach, {
      label: trans.__('Attach Data to the Analysis'),
      describedBy: { args: describe({ paths: 'Paths to attach' }) },
      isEnabled: () => browsers !== null || panels.chooseFiles !== null,
      execute: async args => {
        const given = Array.isArray(args.paths) ? args.paths.filter(isText) : [];
        const paths = given.length > 0 ? given : ((await panels.chooseFiles?.()) ?? []);
        if (paths.length > 0) {
          panels.activate();
          await panels.sidebar.attach(paths);
        }
      }
    });
    commands.addCommand(CommandIds.askAboutFile, {
      label: trans.__('Ask Analyst about This File'),
      icon: analystIcon,
      describedBy: { args: describe({}) },
      isVisible: () => selected().length > 0,
      execute: async () => {
        const paths = selected();
        const [first] = paths;
        // A notebook is not data: its analysis is continued.
        if (paths.length === 1 && first?.toLowerCase().endsWith('.ipynb') === true) {
          await panels.sidebar.attempt(() => panels.showNotebook(first));
        } else {
          panels.activate();
          await panels.sidebar.attach(paths);
        }
      }
    });
    commands.addCommand(CommandIds.openNotebook, {
      label: trans.__('Open the Analysis as a Notebook'),
      describedBy: { args: describe({ analysis: 'Which analysis', cell: 'Cell to show' }) },
      isEnabled: hasAnalysis,
      execute: withAnalysis((id, args) =>
        panels.openNotebook(id, textOf(args, 'cell') ?? undefined)
      )
    });
    commands.addCommand(CommandIds.openBeside, {
      label: trans.__('Open the Analysis in a Tab'),
      icon: analystIcon,
      describedBy: { args: describe({ analysis: 'Which analysis' }) },
      isVisible: () => panels.hasTabs,
      isEnabled: args => panels.hasTabs && analysis(args) !== null,
      execute: args => {
        const id = analysis(args);
        if (id !== null && id !== '') {
          panels.openBeside(id);
        }
      }
    });
    commands.addCommand(CommandIds.export, {
      label: trans.__('Export the Analysis …'),
      describedBy: { args: describe({ analysis: 'Which analysis', to: 'ipynb, html or py' }) },
      isEnabled: hasAnalysis,
      execute: withAnalysis(async (id, args) => {
        const forms = {
          [trans.__('Notebook, clean: runs elsewhere')]: ['ipynb', true],
          [trans.__('Notebook, complete: with failed iterations')]: ['ipynb', false],
          [trans.__('Web page (HTML)')]: ['html', false],
          [trans.__('Python script')]: ['py', true]
        } as const;
        const given = Object.values(forms).find(([to]) => to === args.to);
        const { value } = given
          ? { value: null }
          : await InputDialog.getItem({
              title: trans.__('Export the analysis'),
              items: Object.keys(forms)
            });
        const form = given ?? (value === null ? undefined : forms[value]);
        if (form !== undefined) {
          await panels.exportAnalysis(id, form[0], form[1]);
        }
      })
    });
    commands.addCommand(CommandIds.verify, {
      label: trans.__('Verify the Analysis'),
      caption: trans.__('Run all its cells in a fresh kernel and compare their outputs'),
      describedBy: { args: describe({ analysis: 'Which analysis' }) },
      isEnabled: hasAnalysis,
      execute: withAnalysis(id => store.send({ type: 'verify_analysis', analysis: id }))
    });
    for (const command of [
      CommandIds.ask,
      CommandIds.create,
      CommandIds.stop,
      CommandIds.attach,
      CommandIds.openNotebook,
      CommandIds.openBeside,
      CommandIds.export,
      CommandIds.verify
    ]) {
      palette?.addItem({ command, category: trans.__('Analyst') });
    }
    panels.sidebar.changed.connect(() => {
      commands.notifyCommandChanged(CommandIds.stop);
    });
  }
};

/** Return the schema of a command's arguments, all of them optional texts or lists. */
function describe(properties: Readonly<Record<string, string>>): ReadonlyJSONObject {
  return {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, description]) => [name, { description }])
    )
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function textOf(args: ReadonlyPartialJSONObject, name: string): string | null {
  const value = args[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The contents service of a Jupyter server in memory, below JupyterLab's own client for it. */
import { Context } from '@jupyterlab/docregistry';
import { NotebookModelFactory, type INotebookModel } from '@jupyterlab/notebook';
import { ContentsManager, ServerConnection } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

/** Files of a server; `write` acts as a writer that is not a tab. */
export class FakeContents {
  readonly files = new Map<string, { content: unknown; hash: string }>();
  /** How many times tabs wrote each file. */
  saves = 0;
  /** Called when a tab's save arrives, before the file is written. */
  onSave: () => void = () => undefined;
  private versions = 0;

  /** JupyterLab's client of this server. */
  readonly manager = new ContentsManager({
    serverSettings: {
      ...ServerConnection.makeSettings({ baseUrl: 'http://fake/' }),
      fetch: (request: Request) => this.answer(request)
    } as ServerConnection.ISettings
  });

  write(path: string, content: unknown): void {
    this.versions += 1;
    this.files.set(path, { content: structuredClone(content), hash: `h${String(this.versions)}` });
  }

  /** Return JupyterLab's context of an open notebook, loaded. */
  async open(path: string): Promise<Context<INotebookModel>> {
    const changed = new Signal<object, unknown>({});
    const services = {
      ready: Promise.resolve(),
      contents: this.manager,
      kernels: {},
      kernelspecs: { ready: Promise.resolve(), specsChanged: changed },
      sessions: {
        ready: Promise.resolve(),
        refreshRunning: () => Promise.resolve(),
        running: () => [].values(),
        runningChanged: changed
      }
    };
    const context = new Context<INotebookModel>({
      manager: services as never,
      factory: new NotebookModelFactory({ disableDocumentWideUndoRedo: true }),
      path
    });
    await context.initialize(false);
    return context;
  }

  private async answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const path = decodeURIComponent(url.pathname.replace('/api/contents/', ''));
    if (path.endsWith('/checkpoints')) {
      return Response.json([{ id: 'c', last_modified: STAMP }]);
    }
    if (request.method === 'PUT') {
      this.onSave();
      const body = (await request.json()) as { content: unknown };
      this.saves += 1;
      this.write(path, body.content);
    }
    const file = this.files.get(path);
    if (file === undefined) {
      return Response.json({ message: 'No such file' }, { status: 404 });
    }
    const whole = request.method === 'GET' && url.searchParams.get('content') !== '0';
    if (whole && typeof file.content === 'string') {
      return Response.json({ message: 'Unreadable notebook' }, { status: 400 });
    }
    return Response.json(
      {
        name: path,
        path,
        type: 'notebook',
        writable: true,
        created: STAMP,
        last_modified: STAMP,
        mimetype: null,
        format: whole ? 'json' : null,
        content: whole ? structuredClone(file.content) : null,
        hash: file.hash,
        hash_algorithm: 'fake'
      },
      { status: 200 }
    );
  }
}

const STAMP = '2026-01-01T00:00:00Z';

/** The server extension in memory: REST through `fetch`, the socket through a fake WebSocket. */
import type { ServerConnection } from '@jupyterlab/services';
import { AnalystRest } from '../../src/client/rest';
import { AnalystSocket, type Wire } from '../../src/client/socket';
import type {
  DatabaseList,
  DatabaseTables,
  InstructionsFile,
  Models,
  SavedKey,
  SentRequest,
  Spent,
  Status
} from '../../src/client/records';
import type {
  AnalysisSummary,
  ClientFrame,
  Command,
  Event,
  ServerFrame
} from '../../src/protocol/generated';
import { NO_USAGE } from '../../src/session/state';
import { AnalystStore } from '../../src/session/store';

/** A WebSocket whose other end is the test. */
export class FakeWire implements Wire {
  onopen: Wire['onopen'] = null;
  onmessage: Wire['onmessage'] = null;
  onclose: Wire['onclose'] = null;
  onerror: Wire['onerror'] = null;
  readonly sent: ClientFrame[] = [];
  isClosed = false;

  constructor(private readonly server: FakeServer) {}

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    this.sent.push(frame);
    this.server.receive(this, frame);
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.onopen?.(undefined as never);
  }

  /** Break the connection. */
  drop(code = 1006): void {
    this.isClosed = true;
    this.onclose?.({ code, reason: '' });
  }

  push(frame: ServerFrame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

/** Analyses with their events; commands are recorded, and accepted unless `refuse` returns a reason. */
export class FakeServer {
  readonly wires: FakeWire[] = [];
  readonly logs = new Map<string, Event[]>();
  readonly summaries = new Map<string, AnalysisSummary>();
  readonly commands: Command[] = [];
  readonly requests: { method: string; path: string; query: string; body: string }[] = [];
  readonly subscriptions = new Map<FakeWire, Set<string>>();
  /** Whether each connection opens at once, or by the test. */
  opensAtOnce = true;
  /** Return the sentence with which a command is refused, or `null` to accept it. */
  refuse: (command: Command) => string | null = () => null;
  status: Status = {
    version: '0.1.0',
    default_model: 'offline:rules',
    is_ai: false,
    providers_with_credentials: [],
    sandbox: null,
    locked: {},
    examples: []
  };
  /** What becomes of a key. */
  savedKey: SavedKey = { saved: true, verdict: 'accepted', what: '', remedy: '' };
  spent: Spent = {
    day: '2026-11-29',
    analysis_usage: NO_USAGE,
    day_usage: NO_USAGE,
    day_limit_usd: null,
    problem: ''
  };
  models: Models = { default: 'offline:rules', providers: [], local: [] };
  databases: DatabaseList = {
    connections: [],
    engines: [],
    password_place: 'file',
    problem: ''
  };
  /** What is in each database, or why it cannot be asked. */
  tables: DatabaseTables | string = 'No server answers there.';
  completions: unknown = [];
  instructions: readonly InstructionsFile[] = [];
  /** What was sent to models; each is found by its text. */
  sent: readonly { readonly request: SentRequest; readonly body: string }[] = [];
  private made = 0;

  /** The newest connection. */
  get wire(): FakeWire {
    const wire = this.wires.at(-1);
    if (wire === undefined) {
      throw new Error('No connection was opened.');
    }
    return wire;
  }

  /** Settings with which `ServerConnection` calls this server. */
  get settings(): ServerConnection.ISettings {
    const answer = (request: Request): Promise<Response> => this.answer(request);
    return {
      baseUrl: 'http://fake/',
      appUrl: '/lab',
      wsUrl: 'ws://fake/',
      token: '',
      appendToken: false,
      init: {},
      fetch: answer,
      Headers,
      Request,
      WebSocket
    } as unknown as ServerConnection.ISettings;
  }

  /** A store that is connected to this server. */
  connect(): AnalystStore {
    const store = new AnalystStore(new AnalystRest(this.settings));
    store.start(new AnalystSocket(() => this.open(), store));
    return store;
  }

  open(): FakeWire {
    const wire = new FakeWire(this);
    this.wires.push(wire);
    this.subscriptions.set(wire, new Set());
    if (this.opensAtOnce) {
      queueMicrotask(() => {
        wire.open();
      });
    }
    return wire;
  }

  /** Add an analysis with its events. */
  add(id: string, events: readonly Event[] = [], more: Partial<AnalysisSummary> = {}): void {
    this.logs.set(id, [...events]);
    this.summaries.set(id, {
      id,
      title: id,
      notebook: `${id}.ipynb`,
      notebook_path: `/home/person/${id}.ipynb`,
      created: 1,
      updated: 1,
      state: 'idle',
      model: 'offline:rules',
      is_ai: false,
      questions: 1,
      last_event: events.length,
      parent: null,
      parent_cell: null,
      ...more
    });
  }

  /** Record an event, then send it to the subscribers. */
  emit(event: Event): void {
    this.logs.get(event.analysis)?.push(event);
    for (const [wire, analyses] of this.subscriptions) {
      if (analyses.has(event.analysis) && !wire.isClosed) {
        wire.push({ type: 'event', event });
      }
    }
  }

  receive(wire: FakeWire, { id, command }: ClientFrame): void {
    this.commands.push(command);
    const no = this.refuse(command);
    if (no !== null) {
      wire.push({ type: 'refused', id, message: no, remedy: 'Try something else.' });
      return;
    }
    wire.push({ type: 'accepted', id });
    if (command.type === 'subscribe_analysis') {
      this.subscriptions.get(wire)?.add(command.analysis);
      const log = this.logs.get(command.analysis) ?? [];
      for (const event of log) {
        if (event.number > (command.after ?? 0)) {
          wire.push({ type: 'event', event });
        }
      }
      const last = log.at(-1)?.number ?? 0;
      wire.push({ type: 'caught_up', analysis: command.analysis, last });
    } else if (command.type === 'unsubscribe_analysis') {
      this.subscriptions.get(wire)?.delete(command.analysis);
    }
  }

  private async answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname.replace('/analyst-kernel/api/', '');
    const body = await request.clone().text();
    this.requests.push({ method: request.method, path, query: url.search, body });
    const route = `${request.method} ${path}`;
    if (route === 'GET status') {
      return json(this.status);
    }
    if (route === 'GET usage') {
      return json(this.spent);
    }
    if (route === 'POST usage') {
      const { day_usd } = JSON.parse(body) as { day_usd: number | null };
      this.spent = { ...this.spent, day_limit_usd: day_usd };
      return json(this.spent);
    }
    if (route === 'GET analyses') {
      return json([...this.summaries.values()]);
    }
    if (route === 'GET models') {
      return json(this.models);
    }
    if (route === 'POST models/key') {
      return json(this.savedKey);
    }
    if (route === 'POST analyses') {
      this.made += 1;
      const id = `made-${String(this.made)}`;
      this.add(id, [], { questions: 0 });
      return json(this.summaries.get(id), 201);
    }
    const parent = path.split('/')[1] ?? '';
    if (request.method === 'POST' && path.endsWith('/branch') && this.summaries.has(parent)) {
      this.made += 1;
      const id = `made-${String(this.made)}`;
      this.add(id, [], { parent });
      return json(this.summaries.get(id), 201);
    }
    if (route === 'GET connections') {
      return json(this.databases);
    }
    if (route === 'POST connections') {
      return json({}, 201);
    }
    if (path.startsWith('connections/') && request.method !== 'DELETE') {
      return typeof this.tables === 'string'
        ? json({ message: this.tables, remedy: 'Check it.' }, 400)
        : json(this.tables);
    }
    if (route === 'GET instructions') {
      return json(this.instructions);
    }
    if (path.endsWith('/sent')) {
      const search = url.searchParams.get('search') ?? '';
      const found = this.sent.filter(({ body }) => body.includes(search));
      return json(found.map(({ request }) => request));
    }
    if (path.includes('/sent/')) {
      const number = Number(path.split('/').at(-1));
      const body = this.sent.find(({ request }) => request.number === number)?.body;
      return new Response(body ?? null, { status: body === undefined ? 404 : 200 });
    }
    if (path.endsWith('completions')) {
      return json(this.completions);
    }
    if (request.method === 'DELETE' || request.method === 'PATCH') {
      return new Response(null, { status: 204 });
    }
    return json({ message: 'There is no such thing.', remedy: 'Look at the list.' }, 404);
  }
}

function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { 'Content-Type': 'application/json' }
  });
}

/**
 * The one WebSocket of this browser tab: commands out, frames in.
 *
 * It reconnects by itself and requests every event that it missed. Of an analysis it keeps only
 * the number of the last event that it emitted.
 */
import { DecodeError, decodeServerFrame } from '../protocol/decode';
import type { ClientFrame, Command, Event, ServerFrame } from '../protocol/generated';
import { CommandRefused, ConnectionLost } from './errors';

/** The state of the connection; commands can be sent while it is `open`. */
export type Connection = 'connecting' | 'open' | 'lost' | 'closed';

/** The part of a WebSocket that is used here. */
export interface Wire {
  send(text: string): void;
  close(): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
}

/** Receives what arrives. All methods are called synchronously. */
export interface SocketListener {
  /** Called with the next event of a subscribed analysis. */
  onEvent(event: Event): void;
  /** Called with a frame that is neither an event nor a reply. */
  onFrame(frame: Exclude<ServerFrame, { type: 'event' | 'accepted' | 'refused' }>): void;
  /** Called when the connection changes. `retryAt` is the time of the next attempt in milliseconds. */
  onConnection(state: Connection, retryAt: number | null): void;
  /** Called with a message that this version cannot read. */
  onProtocolError(error: DecodeError): void;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** The tab's socket. Call {@link AnalystSocket.start} once. */
export class AnalystSocket {
  private wire: Wire | null = null;
  private state: Connection = 'closed';
  private nextId = 1;
  private attempts = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private readonly subscribed = new Map<string, number>();

  /**
   * @param open - Opens a new WebSocket; called for each attempt.
   * @param listener - Receives everything that arrives.
   */
  constructor(
    private readonly open: () => Wire,
    private readonly listener: SocketListener
  ) {}

  /** Connect, and stay connected until {@link AnalystSocket.stop}. */
  start(): void {
    if (this.state === 'closed') {
      this.connect();
    }
  }

  /** Close for good. Commands without a reply are rejected with {@link ConnectionLost}. */
  stop(): void {
    clearTimeout(this.timer);
    const wire = this.wire;
    this.wire = null;
    wire?.close();
    this.dropWaiting();
    this.change('closed', null);
  }

  /** Connect now instead of waiting for the next attempt. */
  retryNow(): void {
    if (this.state === 'lost') {
      clearTimeout(this.timer);
      this.connect();
    }
  }

  /**
   * Send a command; resolves when the server accepted it.
   *
   * @throws CommandRefused - With the server's sentence and remedy.
   * @throws ConnectionLost - Not connected, or the connection ended before the reply.
   */
  send(command: Command): Promise<void> {
    if (this.wire === null || this.state !== 'open') {
      return Promise.reject(
        new ConnectionLost('The Jupyter server is not answering.', 'Try again when it is back.')
      );
    }
    const frame: ClientFrame = { id: this.nextId++, command };
    const reply = new Promise<void>((resolve, reject) => {
      this.waiting.set(frame.id, { resolve, reject });
    });
    this.wire.send(JSON.stringify(frame));
    return reply;
  }

  /** Receive the events of an analysis after number `after`, now and after each reconnect. Idempotent. */
  subscribe(analysis: string, after: number): void {
    if (!this.subscribed.has(analysis)) {
      this.subscribed.set(analysis, after);
      this.ask(analysis);
    }
  }

  /** Receive no more events of an analysis. Idempotent. */
  unsubscribe(analysis: string): void {
    if (this.subscribed.delete(analysis) && this.state === 'open') {
      this.send({ type: 'unsubscribe_analysis', analysis }).catch(() => undefined);
    }
  }

  private ask(analysis: string): void {
    if (this.state !== 'open') {
      return;
    }
    const after = this.subscribed.get(analysis) ?? 0;
    this.send({ type: 'subscribe_analysis', analysis, after }).catch((reason: unknown) => {
      // A refused analysis no longer exists. A lost connection subscribes again by itself.
      if (reason instanceof CommandRefused) {
        this.subscribed.delete(analysis);
      }
    });
  }

  private connect(): void {
    this.change('connecting', null);
    let wire: Wire;
    try {
      wire = this.open();
    } catch {
      this.lose();
      return;
    }
    this.wire = wire;
    wire.onopen = () => {
      if (this.wire === wire) {
        this.attempts = 0;
        this.change('open', null);
        for (const analysis of this.subscribed.keys()) {
          this.ask(analysis);
        }
      }
    };
    wire.onmessage = ({ data }) => {
      if (this.wire === wire && typeof data === 'string') {
        this.receive(data);
      }
    };
    wire.onclose = () => {
      if (this.wire === wire) {
        this.wire = null;
        this.lose();
      }
    };
    wire.onerror = () => undefined;
  }

  private lose(): void {
    this.dropWaiting();
    this.attempts += 1;
    const delay = reconnectDelay(this.attempts, Math.random());
    this.timer = setTimeout(() => {
      this.connect();
    }, delay);
    this.change('lost', Date.now() + delay);
  }

  private receive(text: string): void {
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(text);
    } catch (error) {
      if (error instanceof DecodeError) {
        this.listener.onProtocolError(error);
        return;
      }
      throw error;
    }
    switch (frame.type) {
      case 'event': {
        const { analysis, number } = frame.event;
        const last = this.subscribed.get(analysis);
        if (last !== undefined && number > last) {
          this.subscribed.set(analysis, number);
          this.listener.onEvent(frame.event);
        }
        break;
      }
      case 'accepted':
        this.waiting.get(frame.id)?.resolve();
        this.waiting.delete(frame.id);
        break;
      case 'refused':
        if (frame.id !== null) {
          this.waiting.get(frame.id)?.reject(new CommandRefused(frame.message, frame.remedy));
          this.waiting.delete(frame.id);
        }
        break;
      case 'analysis_removed':
        this.subscribed.delete(frame.analysis);
        this.listener.onFrame(frame);
        break;
      case 'caught_up':
      case 'analysis_changed':
      case 'write_notebook':
      case 'read_notebook':
      case 'notebook_changed':
        this.listener.onFrame(frame);
        break;
      default: {
        const rest: never = frame;
        throw new DecodeError(`Unknown frame ${JSON.stringify(rest)}`);
      }
    }
  }

  private dropWaiting(): void {
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of waiting) {
      reject(
        new ConnectionLost(
          'The connection ended before the server answered.',
          'Check whether it was done before you try again.'
        )
      );
    }
  }

  private change(state: Connection, retryAt: number | null): void {
    this.state = state;
    this.listener.onConnection(state, retryAt);
  }
}

const FIRST = 500;
const LONGEST = 15_000;

/**
 * Return the milliseconds to wait before attempt number `attempt` (from 1). They double up to 15 s
 * and vary by a quarter, so that many tabs do not reconnect at the same moment.
 *
 * @param random - In [0, 1).
 */
export function reconnectDelay(attempt: number, random: number): number {
  const delay = Math.min(LONGEST, FIRST * 2 ** (attempt - 1));
  return Math.round(delay * (0.75 + random / 2));
}

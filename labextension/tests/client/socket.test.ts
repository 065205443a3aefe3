import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandRefused, ConnectionLost } from '../../src/client/errors';
import { AnalystSocket, reconnectDelay, type SocketListener } from '../../src/client/socket';
import type { Event } from '../../src/protocol/generated';
import { FakeServer } from '../fakes/server';

function happened(number: number, analysis = 'a'): Event {
  const at = number;
  return { type: 'queue_changed', analysis, run: null, number, at, questions: [] };
}

class Recorder implements SocketListener {
  readonly numbers: number[] = [];
  readonly states: string[] = [];
  readonly frames: string[] = [];
  readonly mistakes: string[] = [];

  onEvent(event: Event): void {
    this.numbers.push(event.number);
  }
  onFrame(frame: { type: string }): void {
    this.frames.push(frame.type);
  }
  onConnection(state: string): void {
    this.states.push(state);
  }
  onProtocolError(error: Error): void {
    this.mistakes.push(error.message);
  }
}

describe('AnalystSocket', () => {
  let server: FakeServer;
  let recorder: Recorder;
  let socket: AnalystSocket;

  beforeEach(async () => {
    vi.useFakeTimers();
    server = new FakeServer();
    server.add('a', [happened(1), happened(2)]);
    recorder = new Recorder();
    socket = new AnalystSocket(() => server.open(), recorder);
    socket.start();
    await vi.advanceTimersByTimeAsync(0);
  });
  afterEach(() => {
    socket.stop();
    vi.useRealTimers();
  });

  it('replays, then follows', () => {
    socket.subscribe('a', 0);
    server.emit(happened(3));
    expect(recorder.numbers).toEqual([1, 2, 3]);
    expect(recorder.frames).toEqual(['caught_up']);
  });

  it('subscribes again from its last number after the connection broke, and emits nothing twice', async () => {
    socket.subscribe('a', 0);
    server.wire.drop();
    server.emit(happened(3));
    expect(recorder.states).toEqual(['connecting', 'open', 'lost']);
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.wires).toHaveLength(2);
    expect(server.commands.at(-1)).toEqual({ type: 'subscribe_analysis', analysis: 'a', after: 2 });
    server.wire.push({ type: 'event', event: happened(3) });
    server.emit(happened(4));
    expect(recorder.numbers).toEqual([1, 2, 3, 4]);
  });

  it('reconnects at growing intervals', async () => {
    server.opensAtOnce = false;
    server.wire.drop();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await vi.advanceTimersByTimeAsync(20_000);
      server.wire.drop();
    }
    expect(server.wires).toHaveLength(4);
    server.opensAtOnce = true;
    socket.retryNow();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.wires).toHaveLength(5);
    expect(recorder.states.at(-1)).toBe('open');
  });

  it('resolves or rejects commands, in any order of replies', async () => {
    server.refuse = command => (command.type === 'cancel_run' ? 'Nothing runs.' : null);
    await expect(socket.send({ type: 'retry_model', analysis: 'a' })).resolves.toBeUndefined();
    const refused = socket.send({ type: 'cancel_run', analysis: 'a' });
    await expect(refused).rejects.toThrow(CommandRefused);
    await expect(refused).rejects.toMatchObject({
      message: 'Nothing runs.',
      remedy: 'Try something else.'
    });
  });

  it('rejects commands when the connection breaks, and without a connection', async () => {
    vi.spyOn(server, 'receive').mockImplementation(() => undefined);
    const lost = socket.send({ type: 'cancel_run', analysis: 'a' });
    server.wire.drop();
    await expect(lost).rejects.toThrow(ConnectionLost);
    await expect(socket.send({ type: 'cancel_run', analysis: 'a' })).rejects.toThrow(
      ConnectionLost
    );
  });

  it('does not subscribe again to an analysis that the server refused', async () => {
    server.refuse = () => 'There is no such analysis.';
    socket.subscribe('gone', 0);
    await vi.advanceTimersByTimeAsync(0);
    server.wire.drop();
    const before = server.commands.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.commands).toHaveLength(before);
  });

  it('reports a message that it cannot read, and goes on', () => {
    socket.subscribe('a', 2);
    server.wire.onmessage?.({ data: '{"type":"dance"}' });
    server.emit(happened(3));
    expect(recorder.mistakes[0]).toContain('different versions');
    expect(recorder.numbers).toEqual([3]);
  });

  it('ignores late messages of an old connection', async () => {
    socket.subscribe('a', 2);
    const old = server.wire;
    old.drop();
    await vi.advanceTimersByTimeAsync(1000);
    old.push({ type: 'event', event: happened(9) });
    expect(recorder.numbers).toEqual([]);
  });
});

describe('reconnectDelay', () => {
  it('doubles up to 15 s, spread by a quarter each way', () => {
    expect([1, 2, 3].map(attempt => reconnectDelay(attempt, 0.5))).toEqual([500, 1000, 2000]);
    expect(reconnectDelay(40, 0)).toBe(11_250);
    expect(reconnectDelay(40, 1)).toBe(18_750);
  });
});

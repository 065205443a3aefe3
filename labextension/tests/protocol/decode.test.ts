import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeEvent, DecodeError, decodeServerFrame } from '../../src/protocol/decode';
import { COMMAND_TYPES, type Event, EVENT_TYPES } from '../../src/protocol/generated';

/** The examples that the Python tests read too. */
const EXAMPLES = new URL('../../../tests/protocol/examples/', import.meta.url);

function isCommand(tag: string): boolean {
  return (COMMAND_TYPES as readonly string[]).includes(tag);
}

const examples = new Map<string, unknown>(
  readdirSync(EXAMPLES)
    .filter(name => name.endsWith('.json'))
    .map(name => [
      name.slice(0, -'.json'.length),
      JSON.parse(readFileSync(new URL(name, EXAMPLES), 'utf8')) as unknown
    ])
);

describe('decodeEvent', () => {
  it('has an example of every event and command, and of nothing else', () => {
    expect([...examples.keys()].sort()).toEqual([...EVENT_TYPES, ...COMMAND_TYPES].sort());
  });

  it.each([...examples].filter(([tag]) => !isCommand(tag)))('reads %s', (tag, example) => {
    expect(decodeEvent(example).type).toBe(tag);
  });

  it.each([...examples].filter(([tag]) => isCommand(tag)))('refuses %s', (_tag, example) => {
    expect(() => decodeEvent(example)).toThrow(DecodeError);
  });

  it('returns the same value', () => {
    const event: Event = decodeEvent(examples.get('text_streamed'));
    expect(event).toBe(examples.get('text_streamed'));
    expect(event.type === 'text_streamed' ? event.text : '').not.toBe('');
  });

  it.each([
    [undefined, 'got nothing'],
    [null, 'got null'],
    [[], 'got an array'],
    ['run_started', 'a value of type string'],
    [{}, 'got nothing there'],
    [{ type: 7 }, 'a value of type number there'],
    [{ type: 'run_paused' }, 'Unknown event "run_paused"'],
    [{ type: 'toString' }, 'Unknown event "toString"']
  ])('refuses %j with a reason', (value, message) => {
    expect(() => decodeEvent(value)).toThrow(message);
  });
});

describe('decodeServerFrame', () => {
  const finished = examples.get('run_finished');

  it.each([
    { type: 'event', event: finished },
    { type: 'accepted', id: 3 },
    { type: 'refused', id: null, message: 'No.', remedy: 'Ask again.' },
    { type: 'caught_up', analysis: 'a1', last: 9 },
    { type: 'analysis_changed', summary: {} },
    { type: 'analysis_removed', analysis: 'a1' }
  ])('reads $type', frame => {
    expect(decodeServerFrame(JSON.stringify(frame))).toEqual(frame);
  });

  it.each([
    ['{', 'not JSON'],
    ['[]', 'Expected a frame, got an array'],
    ['{"type":"pong"}', 'Unknown frame "pong"'],
    ['{"type":"event"}', 'Expected an event, got nothing'],
    ['{"type":"event","event":{"type":"run_paused"}}', 'Unknown event "run_paused"']
  ])('refuses %s with a reason', (text, message) => {
    expect(() => decodeServerFrame(text)).toThrow(message);
  });
});

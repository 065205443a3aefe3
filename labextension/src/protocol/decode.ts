/**
 * Reads messages of the socket as frames and events.
 *
 * The server validates what it sends, so only the tags are checked: an unknown tag means that
 * server and page have different versions.
 */
import { EVENT_TYPES, SERVER_FRAME_TYPES, type Event, type ServerFrame } from './generated';

/** A message that this version cannot read. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

const EVENTS: ReadonlySet<string> = new Set(EVENT_TYPES);
const FRAMES: ReadonlySet<string> = new Set(SERVER_FRAME_TYPES);

/**
 * Return `value` as an event.
 *
 * @param value - Parsed JSON, as it arrived.
 * @throws DecodeError - It is not an object with the tag of a known event.
 */
export function decodeEvent(value: unknown): Event {
  readTag(value, EVENTS, 'event');
  return value as Event;
}

/**
 * Return the text of one message as a frame, whose event is checked too.
 *
 * @throws DecodeError - It is not JSON or has no known tag.
 */
export function decodeServerFrame(text: string): ServerFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new DecodeError('Expected a frame, got text that is not JSON.');
  }
  readTag(value, FRAMES, 'frame');
  const frame = value as ServerFrame;
  if (frame.type === 'event') {
    decodeEvent(frame.event);
  }
  return frame;
}

/** Throw unless `value` is an object whose tag is one of `known`. */
function readTag(value: unknown, known: ReadonlySet<string>, noun: string): void {
  const one = noun === 'event' ? 'an event' : `a ${noun}`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DecodeError(`Expected ${one}, got ${describe(value)}.`);
  }
  const tag: unknown = 'type' in value ? value.type : undefined;
  if (typeof tag !== 'string') {
    throw new DecodeError(`Expected ${one} with a text "type", got ${describe(tag)} there.`);
  }
  if (!known.has(tag)) {
    throw new DecodeError(
      `Unknown ${noun} "${tag}": the server and this page are of different versions; reload the page.`
    );
  }
}

/** Return the kind of a JSON value, for an error message. */
function describe(value: unknown): string {
  if (value === undefined) {
    return 'nothing';
  }
  if (value === null) {
    return 'null';
  }
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

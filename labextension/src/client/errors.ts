/**
 * What can go wrong between this page and the server, drawn as a tree:
 *
 *   AnalystFault            carries a sentence and a remedy for the user
 *   ├── CommandRefused      the server refused a command
 *   ├── RequestFailed       a REST call ended with an error status
 *   └── ConnectionLost      the server did not answer
 */

/** A failure that is shown to the user: what happened, and what to do next. */
export class AnalystFault extends Error {
  override readonly name: string = 'AnalystFault';

  /**
   * @param message - What happened, as a sentence.
   * @param remedy - What to do next; may be empty.
   */
  constructor(
    message: string,
    readonly remedy = ''
  ) {
    super(message);
  }
}

/** The server did not accept a command. */
export class CommandRefused extends AnalystFault {
  override readonly name = 'CommandRefused';
}

/** A REST call was answered with an error. */
export class RequestFailed extends AnalystFault {
  override readonly name = 'RequestFailed';

  constructor(
    message: string,
    remedy: string,
    readonly status: number
  ) {
    super(message, remedy);
  }
}

/** The server could not be reached, or the connection ended before it answered. */
export class ConnectionLost extends AnalystFault {
  override readonly name = 'ConnectionLost';
}

/** Return what to show to the user of anything that was thrown. */
export function faultOf(reason: unknown): AnalystFault {
  if (reason instanceof AnalystFault) {
    return reason;
  }
  return new AnalystFault(reason instanceof Error ? reason.message : String(reason));
}

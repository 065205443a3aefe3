/** How long to wait before the next try to connect. Pure. */

const FIRST = 500;
const LONGEST = 15_000;

/**
 * Milliseconds to wait before try number `attempt` (from 1): doubling up to 15 s, then spread by
 * a quarter each way, so that many tabs do not knock at once.
 *
 * @param random - In [0, 1).
 */
export function reconnectDelay(attempt: number, random: number): number {
  const delay = Math.min(LONGEST, FIRST * 2 ** (attempt - 1));
  return Math.round(delay * (0.75 + random / 2));
}

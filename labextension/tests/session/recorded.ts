/** Event logs of real runs, as `analyst ask --json` printed them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeEvent } from '../../src/protocol/decode';
import type { Event } from '../../src/protocol/generated';

/** One log: `mileage` (built-in rules, one chart) or `repair` (a model, an error, two charts). */
export function recorded(name: 'mileage' | 'repair'): readonly Event[] {
  const file = join(import.meta.dirname, '..', 'recorded', `${name}.jsonl`);
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => decodeEvent(JSON.parse(line)));
}

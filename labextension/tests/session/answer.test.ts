import { describe, expect, it } from 'vitest';
import { changedLines } from '../../src/session/line-diff';
import { cellReferences, mergePlaces, numberPlaces } from '../../src/session/number-places';
import { recorded } from './recorded';

const proof = (text: string, cell: string | null = 'c'): never =>
  ({ text, start: 0, end: 0, cell }) as never;

describe('numberPlaces', () => {
  const found = (shown: string, texts: string[]): string[] =>
    numberPlaces(
      shown,
      texts.map(text => proof(text))
    ).map(place => `${String(place.start)}:${shown.slice(place.start, place.end)}`);

  it('finds each number after the one before it, whole', () => {
    expect(found('17 cars, 7 of 17, 1.7 or 7.', ['17', '7', '17', '7'])).toEqual([
      '0:17',
      '9:7',
      '14:17',
      '25:7'
    ]);
  });

  it('does not cut 33,442 or 20.8', () => {
    expect(found('33,442 and 20.8', ['33'])).toEqual([]);
    expect(found('33,442 and 20.8', ['33,442', '20.8'])).toEqual(['0:33,442', '11:20.8']);
  });

  it('finds a number that ends a sentence, or stands before a comma', () => {
    expect(found('In 2015, it was 20. Then 3,', ['2015', '20', '3'])).toHaveLength(3);
  });

  it.each(['mileage', 'repair'] as const)('finds every number of a real answer (%s)', name => {
    const run = recorded(name).at(-1);
    if (run?.type !== 'run_finished' || run.details === null) {
      throw new Error('no answer');
    }
    const { text, numbers } = run.details;
    const places = numberPlaces(text, numbers);
    expect(places.map(place => place.start)).toEqual(numbers.map(number => number.start));
  });
});

describe('cellReferences', () => {
  it('finds cells by their number', () => {
    const text = 'As shown [cell 2]. See [cells 1, 3] and [cell 9].';
    const places = cellReferences(text, number => (number < 9 ? `id${String(number)}` : null));
    expect(places.map(place => place.cell)).toEqual(['id2', 'id1', 'id3']);
    expect(text.slice(places[0]?.start, places[0]?.end)).toBe('2');
  });

  it('never overlaps a number at the same place', () => {
    const number = { start: 3, end: 5, cell: null, kind: 'number' as const };
    const reference = { start: 4, end: 5, cell: 'c', kind: 'reference' as const };
    expect(mergePlaces([number], [reference])).toEqual([number]);
  });
});

describe('changedLines', () => {
  it('returns only the lines that a repair changes', () => {
    expect(changedLines('a\nb\nc', 'a\nB\nc\nd')).toEqual([
      { mark: '-', text: 'b' },
      { mark: '+', text: 'B' },
      { mark: '+', text: 'd' }
    ]);
    expect(changedLines('same', 'same')).toEqual([]);
  });

  it('returns nothing for texts that are too long', () => {
    expect(changedLines('x\n'.repeat(500), 'y')).toEqual([]);
  });
});

/** Completes datasets, columns, variables and cells after `@`. */
import * as React from 'react';
import type { Completion } from '../../client/records';
import { useServices } from '../services';

/** The most items that are shown. */
const MOST = 12;

/** The state of the list. */
export interface CompletionState {
  readonly items: readonly Completion[];
  readonly index: number;
  readonly choose: (item: Completion) => void;
  /** Handle a key; returns whether the list used it. */
  readonly onKeyDown: (event: React.KeyboardEvent<HTMLTextAreaElement>) => boolean;
  readonly update: (box: HTMLTextAreaElement) => void;
  readonly close: () => void;
}

/** Return the word after `@` that ends at the cursor, if any. */
export function wordAtCursor(
  text: string,
  cursor: number
): { start: number; prefix: string } | null {
  const match = /(?:^|[\s(,;])@([^\s@]{0,60})$/.exec(text.slice(0, cursor));
  const prefix = match?.[1];
  return prefix === undefined ? null : { start: cursor - prefix.length - 1, prefix };
}

/** Return the completion of the question box. */
export function useCompletion(box: React.RefObject<HTMLTextAreaElement>): CompletionState {
  const { model } = useServices();
  const [items, setItems] = React.useState<readonly Completion[]>([]);
  const [index, setIndex] = React.useState(0);
  const wanted = React.useRef('');

  const close = React.useCallback(() => {
    wanted.current = '';
    setItems([]);
  }, []);

  const update = (element: HTMLTextAreaElement): void => {
    const word = wordAtCursor(element.value, element.selectionStart);
    const { analysis } = model;
    if (word === null || analysis === null) {
      close();
      return;
    }
    const asked = `${analysis}@${word.prefix}`;
    if (asked === wanted.current) {
      return;
    }
    wanted.current = asked;
    model.store.rest.completions(analysis, word.prefix).then(
      found => {
        if (wanted.current === asked) {
          setItems(found.slice(0, MOST));
          setIndex(0);
        }
      },
      // Without an answer the list stays empty.
      () => undefined
    );
  };

  const choose = (item: Completion): void => {
    const element = box.current;
    const word = element === null ? null : wordAtCursor(element.value, element.selectionStart);
    if (element === null || word === null) {
      return;
    }
    const before = element.value.slice(0, word.start) + item.insert;
    const rest = element.value.slice(element.selectionStart);
    model.draft = before + (rest.startsWith(' ') ? '' : ' ') + rest;
    close();
    requestAnimationFrame(() => {
      element.setSelectionRange(before.length + 1, before.length + 1);
    });
  };

  const onKeyDown = (event: React.KeyboardEvent<HTMLTextAreaElement>): boolean => {
    const item = items[index];
    if (item === undefined) {
      return false;
    }
    switch (event.key) {
      case 'ArrowDown':
        setIndex((index + 1) % items.length);
        break;
      case 'ArrowUp':
        setIndex((index - 1 + items.length) % items.length);
        break;
      case 'Enter':
      case 'Tab':
        choose(item);
        break;
      case 'Escape':
        close();
        break;
      default:
        return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
  };
  return { items, index, choose, onKeyDown, update, close };
}

/** The list above the box. */
export function CompletionList(props: {
  readonly id: string;
  readonly completion: CompletionState;
}): React.JSX.Element {
  const { id, completion } = props;
  const { trans } = useServices();
  const kinds: Readonly<Record<Completion['kind'], string>> = {
    dataset: trans.__('dataset'),
    column: trans.__('column'),
    variable: trans.__('variable'),
    cell: trans.__('cell')
  };
  return (
    <ul className="ak-Completion" role="listbox" id={id} aria-label={trans.__('Completions')}>
      {completion.items.map((item, index) => (
        <li
          key={`${item.kind}-${item.insert}`}
          id={`${id}-${String(index)}`}
          role="option"
          aria-selected={index === completion.index}
          onPointerDown={event => {
            // A click would come after the box lost its focus, which closes the list.
            event.preventDefault();
            completion.choose(item);
          }}
        >
          <span>{item.label}</span>
          <small>
            {kinds[item.kind]}
            {item.detail === '' ? '' : ` · ${item.detail}`}
          </small>
        </li>
      ))}
    </ul>
  );
}

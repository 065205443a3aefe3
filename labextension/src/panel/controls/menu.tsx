/** A button that opens a list of actions, accessible by keyboard and screen reader. */
import * as React from 'react';

/** One action. */
export interface MenuItem {
  readonly label: string;
  readonly detail?: string;
  /** Only in a list of choices: whether this item is chosen. */
  readonly checked?: boolean;
  readonly disabled?: boolean;
  readonly run: () => void;
}

interface Props {
  /** The accessible name of the button. */
  readonly label: string;
  readonly items: readonly (MenuItem | 'separator')[];
  readonly children: React.ReactNode;
  readonly className?: string;
  /** Where the list opens. */
  readonly place?: 'below' | 'above';
  readonly align?: 'start' | 'end';
  readonly disabled?: boolean;
  readonly title?: string;
  /** Whether the children are the accessible name. */
  readonly isNamed?: boolean;
}

/** The button and, while it is open, its list. */
export function Menu(props: Props): React.JSX.Element {
  const { label, items, children, place = 'below', align = 'start' } = props;
  const [open, setOpen] = React.useState(false);
  const root = React.useRef<HTMLDivElement>(null);
  const button = React.useRef<HTMLButtonElement>(null);
  const list = React.useRef<HTMLDivElement>(null);
  const choices = items.some(item => item !== 'separator' && item.checked !== undefined);
  const [flipped, setFlipped] = React.useState(false);
  const side = flipped ? (place === 'above' ? 'below' : 'above') : place;

  const close = (refocus: boolean): void => {
    setOpen(false);
    if (refocus) {
      button.current?.focus();
    }
  };

  React.useLayoutEffect(() => {
    setFlipped(open && isCutOff(root.current, list.current, place));
  }, [open, place]);
  React.useEffect(() => {
    if (!open) {
      return;
    }
    const chosen = list.current?.querySelector<HTMLElement>('[aria-checked="true"]');
    (chosen ?? entries(list.current)[0])?.focus();
    const onPointer = (event: PointerEvent): void => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) {
        setOpen(false);
      }
    };
    document.addEventListener('pointerdown', onPointer, true);
    return () => {
      document.removeEventListener('pointerdown', onPointer, true);
    };
  }, [open]);

  const onKeyDown = (event: React.KeyboardEvent): void => {
    const all = entries(list.current);
    const at = all.findIndex(entry => entry === document.activeElement);
    const moves: Record<string, number> = {
      ArrowDown: (at + 1) % all.length,
      ArrowUp: (at - 1 + all.length) % all.length,
      Home: 0,
      End: all.length - 1
    };
    const target = moves[event.key];
    if (target !== undefined) {
      all[target]?.focus();
    } else if (event.key === 'Escape') {
      close(true);
    } else if (event.key === 'Tab') {
      close(false);
      return;
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div className="ak-Menu" ref={root}>
      <button
        type="button"
        ref={button}
        className={props.className ?? 'ak-Button ak-mod-quiet'}
        aria-label={props.isNamed === true ? undefined : label}
        aria-haspopup="menu"
        aria-expanded={open}
        disabled={props.disabled}
        title={props.title ?? label}
        onClick={() => {
          setOpen(!open);
        }}
      >
        {children}
      </button>
      {open && (
        <div
          className={`ak-Menu-list ak-mod-${side} ak-mod-${align}`}
          role="menu"
          aria-label={label}
          ref={list}
          onKeyDown={onKeyDown}
        >
          {items.map((item, index) =>
            item === 'separator' ? (
              <div key={index} role="separator" className="ak-Menu-separator" />
            ) : (
              <button
                key={index}
                type="button"
                role={choices && item.checked !== undefined ? 'menuitemradio' : 'menuitem'}
                aria-checked={item.checked}
                disabled={item.disabled}
                tabIndex={-1}
                className="ak-Menu-item"
                onClick={() => {
                  close(true);
                  item.run();
                }}
              >
                {choices && <span aria-hidden="true">{item.checked === true ? '✓' : ''}</span>}
                <span className="ak-Menu-label">
                  {item.label}
                  {item.detail !== undefined && <small>{item.detail}</small>}
                </span>
              </button>
            )
          )}
        </div>
      )}
    </div>
  );
}

/** Return whether the list leaves the panel, and would not on the other side of its button. */
function isCutOff(
  root: HTMLElement | null,
  list: HTMLElement | null,
  place: 'below' | 'above'
): boolean {
  const seen = root?.closest('.ak-Scroll, .ak-Dialog, .ak-Panel')?.getBoundingClientRect();
  if (root === null || list === null || seen === undefined) {
    return false;
  }
  const button = root.getBoundingClientRect();
  const height = list.offsetHeight;
  const above = button.top - height >= seen.top;
  const below = button.bottom + height <= seen.bottom;
  // The user can scroll to what is cut off at the bottom, but not to what is above the top.
  return place === 'above' ? !above : !below && above;
}

function entries(list: HTMLElement | null): HTMLElement[] {
  return [...(list?.querySelectorAll<HTMLElement>('.ak-Menu-item:not(:disabled)') ?? [])];
}

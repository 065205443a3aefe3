/** Scrolls the conversation as it grows. */
import * as React from 'react';

/** Within this distance of the end (pixels), the end is kept in view. */
const NEAR = 60;
/** How long a finished run is held in place while its pictures load (milliseconds). */
const SETTLING = 2000;

/**
 * Keep the end in view as long as the user has not scrolled away; `away` is whether the user has.
 * A run that has just finished is shown from its question on.
 */
export function useAutoScroll(
  analysis: string | null,
  sent: number,
  finished: boolean,
  empty: boolean
): {
  scroller: React.RefObject<HTMLElement>;
  content: React.RefObject<HTMLDivElement>;
  away: boolean;
  toEnd: () => void;
} {
  const scroller = React.useRef<HTMLElement>(null);
  const content = React.useRef<HTMLDivElement>(null);
  const atEnd = React.useRef(true);
  const held = React.useRef<{ run: HTMLElement; until: number } | null>(null);
  const [away, setAway] = React.useState(false);

  const toEnd = React.useCallback(() => {
    const element = scroller.current;
    if (element !== null) {
      element.scrollTop = element.scrollHeight;
    }
    held.current = null;
    atEnd.current = true;
    setAway(false);
  }, []);

  React.useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (element === null || inner === null) {
      return;
    }
    let height = element.scrollHeight;
    const onScroll = (): void => {
      // If the height changed, the content has moved and not the user.
      if (element.scrollHeight === height) {
        const left = element.scrollHeight - element.scrollTop - element.clientHeight;
        atEnd.current = left < NEAR;
        setAway(isFar(element));
      }
      height = element.scrollHeight;
    };
    const letGo = (): void => {
      held.current = null;
    };
    element.addEventListener('scroll', onScroll, { passive: true });
    for (const type of GESTURES) {
      element.addEventListener(type, letGo, { passive: true });
    }
    const observer =
      typeof ResizeObserver === 'undefined'
        ? null
        : new ResizeObserver(() => {
            height = element.scrollHeight;
            if (held.current !== null && performance.now() < held.current.until) {
              showStart(element, held.current.run);
            } else if (atEnd.current) {
              element.scrollTop = element.scrollHeight;
            } else {
              setAway(isFar(element));
            }
          });
    observer?.observe(inner);
    return () => {
      element.removeEventListener('scroll', onScroll);
      for (const type of GESTURES) {
        element.removeEventListener(type, letGo);
      }
      observer?.disconnect();
    };
  }, []);

  React.useEffect(() => {
    if (!empty) {
      toEnd();
    } else if (scroller.current !== null) {
      // Before the first question the introduction is read from its start.
      scroller.current.scrollTop = 0;
      atEnd.current = false;
      setAway(false);
    }
  }, [analysis, sent, empty, toEnd]);
  React.useEffect(() => {
    const element = scroller.current;
    const run = [...(content.current?.querySelectorAll<HTMLElement>('.ak-Run') ?? [])].at(-1);
    if (finished && atEnd.current && element !== null && run !== undefined) {
      atEnd.current = false;
      held.current = { run, until: performance.now() + SETTLING };
      showStart(element, run);
    }
  }, [analysis, finished]);
  return { scroller, content, away, toEnd };
}

/** The events by which a user takes over the scrolling. */
const GESTURES = ['wheel', 'touchstart', 'pointerdown', 'keydown'] as const;

/** Return whether more than one screen is below. */
function isFar(scroller: HTMLElement): boolean {
  return scroller.scrollHeight - scroller.scrollTop > 2 * scroller.clientHeight;
}

function showStart(scroller: HTMLElement, run: HTMLElement): void {
  scroller.scrollTop = run.offsetTop - 12;
}

/**
 * Renders a MIME bundle with JupyterLab's own renderers, never trusted, and loading nothing.
 *
 * Lumino owns the node of a renderer; React only holds its parent.
 */
import { MimeModel, type IRenderMime, type IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { PartialJSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { harmlessRendermime } from './harmless';

interface Props {
  readonly rendermime: IRenderMimeRegistry;
  readonly mime: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Called with the parent after each rendering. */
  readonly onRendered?: (host: HTMLElement) => void;
  readonly className?: string;
}

export function Rendered(props: Props): React.JSX.Element {
  const { rendermime, mime, data, metadata, onRendered, className } = props;
  const host = React.useRef<HTMLDivElement>(null);
  const renderer = React.useRef<IRenderMime.IRenderer | null>(null);

  React.useLayoutEffect(() => {
    const place = host.current;
    if (place === null) {
      return;
    }
    const made = harmlessRendermime(rendermime).createRenderer(mime);
    renderer.current = made;
    if (place.isConnected) {
      Widget.attach(made, place);
    } else {
      place.append(made.node);
    }
    return () => {
      renderer.current = null;
      made.dispose();
    };
  }, [rendermime, mime]);

  React.useLayoutEffect(() => {
    const made = renderer.current;
    if (made === null) {
      return;
    }
    let current = true;
    const model = new MimeModel({
      trusted: false,
      data: data as PartialJSONObject,
      metadata: (metadata ?? {}) as PartialJSONObject
    });
    void made.renderModel(model).then(
      () => {
        if (current && host.current !== null) {
          onRendered?.(host.current);
        }
      },
      () => undefined
    );
    return () => {
      current = false;
    };
  }, [rendermime, mime, data, metadata, onRendered]);

  // Content that overflows must be reachable with the keyboard too.
  const [scrolls, setScrolls] = React.useState(false);
  React.useEffect(() => {
    const place = host.current;
    if (place === null || typeof ResizeObserver === 'undefined') {
      return;
    }
    const observer = new ResizeObserver(() => {
      setScrolls(
        place.scrollWidth > place.clientWidth + 1 || place.scrollHeight > place.clientHeight + 1
      );
    });
    observer.observe(place);
    for (const part of place.children) {
      observer.observe(part);
    }
    return () => {
      observer.disconnect();
    };
  }, [rendermime, mime, data]);

  return <div ref={host} className={className} tabIndex={scrolls ? 0 : undefined} />;
}

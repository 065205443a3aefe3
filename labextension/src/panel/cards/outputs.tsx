/** The outputs of a cell, rendered by JupyterLab, untrusted; long outputs are folded. */
import * as React from 'react';
import { HtmlFrame, isActive } from '../../rendering/html-frame';
import { Rendered } from '../../rendering/rendered';
import { altOf } from '../../session/charts';
import type { Output } from '../../session/state';
import { useServices } from '../services';

const STREAM_MIME = {
  stdout: 'application/vnd.jupyter.stdout',
  stderr: 'application/vnd.jupyter.stderr'
} as const;
/** Height in pixels from which an output is folded. */
const FOLD = 260;
/** Longer text is drawn in full only on demand (characters). */
const LONG_TEXT = 40_000;

interface Props {
  readonly outputs: readonly Output[];
  readonly label: string;
}

/** All outputs of one cell. */
export const Outputs = React.memo(function Outputs({ outputs, label }: Props): React.JSX.Element {
  return (
    <div className="ak-Outputs" role="group" aria-label={label}>
      {outputs.map((output, index) => (
        <Folded key={index}>
          <OutputView output={output} label={label} />
        </Folded>
      ))}
    </div>
  );
});

/** Cuts what is too high, with a button that shows all of it. */
function Folded({ children }: { readonly children: React.ReactNode }): React.JSX.Element {
  const { trans } = useServices();
  const inner = React.useRef<HTMLDivElement>(null);
  const [high, setHigh] = React.useState(false);
  const [open, setOpen] = React.useState(false);
  React.useEffect(() => {
    const element = inner.current;
    if (element === null || typeof ResizeObserver === 'undefined') {
      return;
    }
    const observer = new ResizeObserver(() => {
      setHigh(element.scrollHeight > FOLD * 1.3 && element.querySelector('img') === null);
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);
  const cut = high && !open;
  return (
    <div className="ak-Output">
      <div className={cut ? 'ak-Output-cut' : undefined}>
        <div ref={inner}>{children}</div>
      </div>
      {high && (
        <button
          type="button"
          className="ak-Link"
          aria-expanded={open}
          onClick={() => {
            setOpen(!open);
          }}
        >
          {open ? trans.__('Show less') : trans.__('Show all')}
        </button>
      )}
    </div>
  );
}

function OutputView({ output, label }: { output: Output; label: string }): React.JSX.Element {
  const { rendermime, trans } = useServices();
  const [whole, setWhole] = React.useState(false);
  switch (output.output_type) {
    case 'stream': {
      const long = output.text.length > LONG_TEXT && !whole;
      const text = long ? output.text.slice(-LONG_TEXT) : output.text;
      return (
        <>
          {long && (
            <button
              type="button"
              className="ak-Link"
              onClick={() => {
                setWhole(true);
              }}
            >
              {trans.__('The beginning is folded. Show all')}
            </button>
          )}
          <Text mime={STREAM_MIME[output.name]} text={text} />
        </>
      );
    }
    case 'error': {
      const text =
        output.traceback.length > 0
          ? output.traceback.join('\n')
          : `${output.ename}: ${output.evalue}`;
      return (
        <details className="ak-Traceback">
          <summary>{trans.__('Traceback')}</summary>
          <Text mime={STREAM_MIME.stderr} text={text} />
        </details>
      );
    }
    case 'display_data':
    case 'execute_result': {
      const html = output.data['text/html'];
      const mime = rendermime.preferredMimeType(output.data, 'ensure');
      if (typeof html === 'string' && isActive(html) && output.data['image/png'] === undefined) {
        return <HtmlFrame html={html} title={label} />;
      }
      if (mime === undefined) {
        return <p className="ak-Quiet">{trans.__('This output cannot be shown here.')}</p>;
      }
      return <Bundle output={output} mime={mime} label={label} />;
    }
    default: {
      const rest: never = output;
      throw new Error(`Unknown output ${JSON.stringify(rest)}`);
    }
  }
}

/** A display of a cell; a picture in it is described by its chart, or else by the cell's name. */
function Bundle(props: {
  readonly output: Extract<Output, { data: unknown }>;
  readonly mime: string;
  readonly label: string;
}): React.JSX.Element {
  const { output, mime, label } = props;
  const { rendermime } = useServices();
  const words = altOf(output.data) || label;
  const name = React.useCallback(
    (host: HTMLElement) => {
      for (const image of host.querySelectorAll('img')) {
        image.alt ||= words;
      }
    },
    [words]
  );
  return (
    <Rendered
      className="ak-Rendered"
      rendermime={rendermime}
      mime={mime}
      data={output.data}
      metadata={output.metadata}
      onRendered={name}
    />
  );
}

/** Terminal text; the bundle is the same object as long as the text is the same. */
function Text({ mime, text }: { mime: string; text: string }): React.JSX.Element {
  const { rendermime } = useServices();
  const data = React.useMemo(() => ({ [mime]: text }), [mime, text]);
  return <Rendered className="ak-Rendered" rendermime={rendermime} mime={mime} data={data} />;
}

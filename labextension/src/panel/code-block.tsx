/** Code as it reads, coloured by JupyterLab's own editor colours. */
import * as React from 'react';
import { highlight } from '../rendering/highlight';

interface Props {
  readonly code: string;
  readonly language: 'python' | 'sql';
  /** Still being written: a cursor stands at the end, and a screen reader is left in peace. */
  readonly streaming?: boolean;
  readonly label?: string;
}

/** One block. */
export const CodeBlock = React.memo(function CodeBlock(props: Props): React.JSX.Element {
  const { code, language, streaming = false, label } = props;
  const tokens = React.useMemo(() => highlight(code, language), [code, language]);
  return (
    <pre
      className="ak-Code"
      tabIndex={0}
      role="region"
      aria-label={label ?? (language === 'sql' ? 'SQL' : 'Python')}
      aria-live="off"
      aria-busy={streaming}
    >
      <code>
        {tokens.map((token, index) =>
          token.kind === 'plain' ? (
            token.text
          ) : (
            <span key={index} className={`ak-mod-${token.kind}`}>
              {token.text}
            </span>
          )
        )}
        {streaming && <span className="ak-Cursor" aria-hidden="true" />}
      </code>
    </pre>
  );
});

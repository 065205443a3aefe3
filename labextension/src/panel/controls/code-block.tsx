/** Code, highlighted in the colours of JupyterLab's editor. */
import * as React from 'react';
import { highlightLines, type Token } from '../../rendering/highlight';

interface Props {
  readonly code: string;
  readonly language: 'python' | 'sql';
  /** Whether code is still being streamed: a cursor is shown, and screen readers skip the changes. */
  readonly streaming?: boolean;
  readonly label?: string;
}

export const CodeBlock = React.memo(function CodeBlock(props: Props): React.JSX.Element {
  const { code, language, streaming = false, label } = props;
  const lines = React.useMemo(() => highlightLines(code, language), [code, language]);
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
        {lines.map((tokens, index) => (
          <React.Fragment key={index}>
            {index > 0 && '\n'}
            <Line tokens={tokens} />
          </React.Fragment>
        ))}
        {streaming && <span className="ak-Cursor" aria-hidden="true" />}
      </code>
    </pre>
  );
});

interface LineProps {
  readonly tokens: readonly Token[];
}

/** One line; while code is streamed only the last line is rendered again. */
const Line = React.memo(
  function Line({ tokens }: LineProps): React.JSX.Element {
    return (
      <>
        {tokens.map((token, index) =>
          token.kind === 'plain' ? (
            token.text
          ) : (
            <span key={index} className={`ak-mod-${token.kind}`}>
              {token.text}
            </span>
          )
        )}
      </>
    );
  },
  (a, b) =>
    a.tokens.length === b.tokens.length &&
    a.tokens.every((token, index) => {
      const other = b.tokens[index];
      return token.kind === other?.kind && token.text === other.text;
    })
);

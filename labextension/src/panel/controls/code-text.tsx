/** A line of text with names in backticks. */
import * as React from 'react';

/** The text, with names as code. */
export function CodeText({ text }: { readonly text: string }): React.JSX.Element {
  return (
    <>
      {text
        .split('`')
        .map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}
    </>
  );
}

/** A question as it was asked; code between fences stands as code. */
import * as React from 'react';
import { CodeBlock } from './code-block';

/** The text with its code. */
export const QuestionText = React.memo(function QuestionText({
  text
}: {
  readonly text: string;
}): React.JSX.Element {
  return (
    <>
      {questionParts(text).map((part, index) =>
        part.code ? (
          <CodeBlock key={index} code={part.text} language="python" />
        ) : (
          <span key={index}>{part.text}</span>
        )
      )}
    </>
  );
});

/** Cut a question where fences of backticks begin and end. */
export function questionParts(text: string): readonly { code: boolean; text: string }[] {
  const parts: { code: boolean; text: string }[] = [];
  let end = 0;
  for (const match of text.matchAll(/(^|\n)(`{3,})[^\n`]*\n([\s\S]*?)\n?\2(?=\n|$)/g)) {
    const before = text.slice(end, match.index).trim();
    if (before !== '') {
      parts.push({ code: false, text: before });
    }
    parts.push({ code: true, text: match[3] ?? '' });
    end = match.index + match[0].length;
  }
  const rest = text.slice(end).trim();
  if (rest !== '') {
    parts.push({ code: false, text: rest });
  }
  return parts;
}

/**
 * Active HTML in a frame of its own: no script runs, nothing loads, no link leads out of it.
 *
 * Without `allow-scripts` the frame doesn't follow a `refresh` either, which a policy can't forbid.
 */
import * as React from 'react';
import { harmlessHtml } from './harmless';

const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; " +
  "base-uri 'none'; form-action 'none'";

interface Props {
  readonly html: string;
  readonly title: string;
}

export function HtmlFrame({ html, title }: Props): React.JSX.Element {
  const content =
    `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">` +
    `<meta http-equiv="x-dns-prefetch-control" content="off">${harmlessHtml(html)}`;
  return (
    <iframe
      className="ak-HtmlFrame"
      sandbox=""
      srcDoc={content}
      title={title}
      loading="lazy"
      referrerPolicy="no-referrer"
    />
  );
}

/** Return whether HTML is active and so must stay in a frame of its own. */
export function isActive(html: string): boolean {
  return /<\s*(script|iframe|object|embed)\b|\son\w+\s*=/i.test(html);
}

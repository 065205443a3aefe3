/**
 * Interactive HTML in a frame of its own, the only place where it may run scripts: without
 * `allow-same-origin` it has no cookies, no token and no access to this page, and its policy
 * forbids every request.
 */
import * as React from 'react';

const POLICY =
  "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; " +
  'img-src data: blob:; font-src data:';

interface Props {
  readonly html: string;
  readonly title: string;
}

export function HtmlFrame({ html, title }: Props): React.JSX.Element {
  const content = `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><base target="_blank">${html}`;
  return (
    <iframe
      className="ak-HtmlFrame"
      sandbox="allow-scripts"
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

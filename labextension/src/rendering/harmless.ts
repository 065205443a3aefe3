/**
 * Text of models and strangers, drawn so that the browser loads nothing and runs nothing for it.
 *
 * The server sends only harmless Markdown; this is the second wall, and works on what JupyterLab's
 * renderers have made of it, so it does not depend on how they read Markdown.
 */
import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';

/** Elements that load or run something, or change how the page reads addresses. */
const GONE =
  'script,style,link,meta,base,iframe,frame,frameset,object,embed,applet,portal,audio,video,' +
  'source,track,form,foreignObject,animate,set';
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp|svg\+xml)[;,]/i;
const LINK = /^(?:https?:|mailto:|#)/i;
const LOADING_STYLE = /url\s*\(|image-set|src\s*\(|@import|expression|\\/i;
/** Attributes with addresses that are loaded, or sent to, without a click on a link. */
const LOADED = new Set([
  'src',
  'srcset',
  'imagesrcset',
  'poster',
  'background',
  'data',
  'ping',
  'action',
  'formaction',
  'longdesc',
  'lowsrc',
  'dynsrc'
]);
const DIAGRAM = /(`{3,}|~{3,})([^`\n]*mermaid[^`\n]*)/gi;

/** Return the registry with a sanitizer and a parser that let nothing load. */
export function harmlessRendermime(rendermime: IRenderMimeRegistry): IRenderMimeRegistry {
  const { sanitizer, markdownParser } = rendermime;
  return rendermime.clone({
    sanitizer: withSanitize(sanitizer),
    ...(markdownParser === null ? {} : { markdownParser: withoutDiagrams(markdownParser) })
  });
}

/** Return HTML without anything that loads, runs, or starts a command of JupyterLab. */
export function harmlessHtml(html: string): string {
  // The content of a template belongs to no page: nothing in it loads.
  const template = document.createElement('template');
  template.innerHTML = html;
  for (const element of template.content.querySelectorAll(GONE)) {
    element.remove();
  }
  for (const element of template.content.querySelectorAll('*')) {
    for (const { name, value } of [...element.attributes]) {
      if (!isHarmless(element, name.toLowerCase(), value.trim())) {
        element.removeAttribute(name);
      }
    }
    const target = element.getAttribute('href');
    if (element instanceof HTMLAnchorElement && target !== null && !target.startsWith('#')) {
      element.title = target;
      element.rel = 'noopener noreferrer nofollow';
      element.target = '_blank';
    }
  }
  return template.innerHTML;
}

function isHarmless(element: Element, name: string, value: string): boolean {
  if (name.startsWith('on') || name.startsWith('data-commandlinker')) {
    return false;
  }
  if (LOADED.has(name)) {
    return name === 'src' && element.localName === 'img' && PICTURE.test(value);
  }
  if (name === 'href' || name === 'xlink:href') {
    return element.localName === 'a' ? LINK.test(value) : value.startsWith('#');
  }
  // A presentation attribute of SVG holds styles too: fill, filter, mask.
  return !LOADING_STYLE.test(value) || !(name === 'style' || element instanceof SVGElement);
}

function withSanitize(base: IRenderMime.ISanitizer): IRenderMime.ISanitizer {
  return {
    sanitize: (dirty, options) => harmlessHtml(base.sanitize(dirty, options)),
    getAutolink: () => base.getAutolink?.() ?? true,
    allowNamedProperties: false,
    allowCommandLinker: false
  };
}

/** A diagram is shown as its source: while Mermaid draws one, it loads the pictures in it. */
function withoutDiagrams(base: IRenderMime.IMarkdownParser): IRenderMime.IMarkdownParser {
  return {
    render: content =>
      base.render(
        content.replace(
          DIAGRAM,
          (_, fence: string, info: string) => fence + info.replace(/mermaid/gi, 'text')
        )
      )
  };
}

// @vitest-environment happy-dom
/** What the panel draws of strangers loads nothing and runs nothing. */
import { createMarkdownParser } from '@jupyterlab/markedparser-extension';
import { EditorLanguageRegistry } from '@jupyterlab/codemirror';
import { MimeModel, RenderMimeRegistry, standardRendererFactories } from '@jupyterlab/rendermime';
import { describe, expect, it } from 'vitest';
import { harmlessHtml, harmlessRendermime } from '../../src/rendering/harmless';
import { acting, EVIL, HOSTILE } from '../fakes/hostile';

describe('harmless HTML', () => {
  it.each(HOSTILE)('%s does nothing', html => {
    expect(acting(harmlessHtml(html))).toEqual([]);
    expect(acting(harmlessHtml(`<p>before</p>${html}<b>after</b>`))).toEqual([]);
  });

  it('keeps text, tables, own pictures and links, which show where they lead', () => {
    const picture = '<img src="data:image/png;base64,iVBORw0KGgo=" alt="a chart">';
    const table =
      '<table class="dataframe"><tbody><tr><td style="color: red">7</td></tr></tbody></table>';
    expect(harmlessHtml(picture + table)).toBe(picture + table);
    const link = harmlessHtml('<a href="https://example.org/a">b</a><a href="#cell-id=c">18.4</a>');
    expect(link).toContain('title="https://example.org/a"');
    expect(link).toContain('rel="noopener noreferrer nofollow"');
    expect(link).toContain('<a href="#cell-id=c">18.4</a>');
  });
});

describe('the renderers', () => {
  const rendermime = harmlessRendermime(
    new RenderMimeRegistry({
      initialFactories: standardRendererFactories,
      markdownParser: createMarkdownParser(new EditorLanguageRegistry())
    })
  );

  async function drawn(mime: string, text: string): Promise<string> {
    const renderer = rendermime.createRenderer(mime);
    await renderer.renderModel(new MimeModel({ trusted: false, data: { [mime]: text } }));
    return renderer.node.innerHTML;
  }

  it.each([...HOSTILE, `![x](${EVIL})`, `![x][r]\n\n[r]: ${EVIL}`, '[x](javascript:alert(1))'])(
    'draw Markdown with %s so that it does nothing',
    async markdown => {
      const html = await drawn('text/markdown', `**kept**\n\n${markdown}`);
      expect(html).toContain('kept');
      expect(acting(html)).toEqual([]);
    }
  );

  it.each(HOSTILE)('draw HTML with %s so that it does nothing', async html => {
    expect(acting(await drawn('text/html', `<b>kept</b>${html}`))).toEqual([]);
  });

  it.each(['```mermaid\ngraph\n```', '~~~ Mermaid\ngraph\n~~~', '> ```mermaid\n> graph\n> ```'])(
    'show a diagram as its source: %s',
    async markdown => {
      const html = await drawn('text/markdown', markdown);
      expect(html).not.toContain('ermaid');
      expect(html).toContain('graph');
    }
  );
});

// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { markPlaces, shownText } from '../../src/rendering/number-links';
import { numberPlaces, outsideForms } from '../../src/session/number-places';

const EXPLAINED = 'No cell shows it.';

/** Return the HTML of an answer after its numbers are marked; `17` is unproven, `20` proven. */
function marked(html: string): HTMLElement {
  const host = document.createElement('div');
  host.innerHTML = html;
  const shown = shownText(host);
  const numbers = [...shown.matchAll(/17|20/g)].map(([text]) => ({
    text,
    start: 0,
    end: 0,
    cell: text === '17' ? null : 'c',
    derivation: text === '20' ? '12 + 8' : ''
  }));
  markPlaces(host, outsideForms(shown, numberPlaces(shown, numbers as never)), {
    proven: (_, derivation) => derivation,
    unproven: EXPLAINED,
    follow: () => undefined
  });
  return host;
}

describe('the sign of a number without proof', () => {
  it.each([
    ['<p>It is 17, not 20.</p>', 'It is 17†, not 20.'],
    ['<p>It is <code>x = 17 m</code>.</p>', 'It is x = 17 m†.'],
    ['<p>See <a href="#">the 17 cars</a>.</p>', 'See the 17 cars†.'],
    ['<p>It is <span class="katex"><span>17</span>x</span>.</p>', 'It is 17x†.'],
    ['<p>@mean[17] and @n[20]</p>', '@mean[17] and @n[20]'],
    ['<pre><code>17</code></pre>', '17'],
    ['<p>It is 17† and 17 (not verified).</p>', 'It is 17† and 17 (not verified).'],
    ['<table><tr><td>17</td>\n<td>20</td></tr></table>', '17†\n20']
  ])('stands once, outside of what it would spoil: %s', (html, text) => {
    expect(marked(html).textContent).toBe(text);
  });

  it('explains itself', () => {
    const sign = marked('<p>It is 17.</p>').querySelector('sup');
    expect(sign?.title).toBe(EXPLAINED);
    expect(sign?.getAttribute('aria-label')).toBe(EXPLAINED);
  });

  it('leaves closed forms without links, and a derived number tells how', () => {
    expect(marked('<p>@n[20]</p>').querySelector('button')).toBeNull();
    expect(marked('<p>in all 20</p>').querySelector('button')?.title).toBe('12 + 8');
  });
});

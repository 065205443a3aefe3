/** Turns the numbers of a rendered answer into links. It changes text nodes only. */
import type { Place } from '../session/number-places';

/** The names of the links, and what a click does. */
export interface NumberLinks {
  readonly proven: (cell: string, derivation: string) => string;
  readonly unproven: string;
  readonly follow: (cell: string) => void;
}

/** Return the text of `host`, whose offsets {@link markPlaces} uses. */
export function shownText(host: HTMLElement): string {
  return textNodes(host)
    .map(node => node.data)
    .join('');
}

/** Wrap the text at each place: in a button if a cell proves it, else in a mark. */
export function markPlaces(host: HTMLElement, places: readonly Place[], links: NumberLinks): void {
  const nodes = textNodes(host);
  const starts: number[] = [];
  let total = 0;
  for (const node of nodes) {
    starts.push(total);
    total += node.data.length;
  }
  // From the end, so that the offsets of earlier places stay valid.
  for (const place of [...places].reverse()) {
    const index = starts.findLastIndex(start => start <= place.start);
    const node = nodes[index];
    const start = starts[index];
    if (node === undefined || start === undefined || place.end > start + node.data.length) {
      continue;
    }
    const number = node.splitText(place.start - start);
    number.splitText(place.end - place.start);
    const link = wrapped(number.data, place, links);
    number.replaceWith(link);
    if (place.cell === null) {
      setSign(link, host, links.unproven);
    }
    keepTogether(link);
  }
}

/** What a sign would spoil: it stands behind the whole of it. */
const WHOLE = 'code, a, mjx-container, .katex, .MathJax';

/** Set the sign of a number that no cell shows, unless it has one or stands in a block of code. */
function setSign(number: HTMLElement, host: HTMLElement, explanation: string): void {
  if (number.closest('pre') !== null) {
    return;
  }
  const whole = number.parentElement?.closest(WHOLE) ?? null;
  const behind = whole !== null && host.contains(whole) ? whole : number;
  const next = behind.nextSibling;
  const isMarked = next instanceof Text ? MARKED.test(next.data) : next?.textContent === SIGN;
  if (isMarked) {
    return;
  }
  const sign = document.createElement('sup');
  sign.textContent = SIGN;
  sign.title = explanation;
  sign.setAttribute('aria-label', explanation);
  sign.setAttribute('role', 'img');
  behind.after(sign);
}

const OPENS = /[([{"'“‘±$€£]+$/;
const CLOSES = /^[)\]}"'”’%.,;:!?]+/;

/** Keep a link on one line with the signs that touch it; a line may break around a link. */
function keepTogether(link: HTMLElement): void {
  const before = link.previousSibling;
  const after = link.nextSibling;
  const opening = before instanceof Text ? (OPENS.exec(before.data)?.[0].length ?? 0) : 0;
  const closing = after instanceof Text ? (CLOSES.exec(after.data)?.[0].length ?? 0) : 0;
  if (opening + closing === 0) {
    return;
  }
  const group = document.createElement('span');
  group.className = 'ak-Together';
  link.replaceWith(group);
  if (before instanceof Text && opening > 0) {
    group.append(before.splitText(before.length - opening));
  }
  group.append(link);
  if (after instanceof Text && closing > 0) {
    after.splitText(closing);
    group.append(after);
  }
}

const SIGN = '†';
/** How an answer's own text marks a number that no cell proves; earlier versions wrote words. */
const MARKED = /^(?:†|\s*\(not verified\))/;

function wrapped(text: string, place: Place, links: NumberLinks): HTMLElement {
  const { cell } = place;
  if (cell === null) {
    const mark = document.createElement('span');
    mark.className = 'ak-Number ak-mod-unproven';
    mark.title = links.unproven;
    mark.textContent = text;
    return mark;
  }
  const button = document.createElement('button');
  button.type = 'button';
  button.className = place.kind === 'number' ? 'ak-Number' : 'ak-Number ak-mod-reference';
  button.title = links.proven(cell, place.derivation ?? '');
  button.textContent = text;
  button.addEventListener('click', () => {
    links.follow(cell);
  });
  return button;
}

function textNodes(host: HTMLElement): Text[] {
  const walker = document.createTreeWalker(host, NodeFilter.SHOW_TEXT);
  const nodes: Text[] = [];
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    nodes.push(node as Text);
  }
  return nodes;
}

